"""Drafts of mappings, a kind of record each, and the steps by which they are found and written."""

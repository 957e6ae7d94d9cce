"""Erasing a person everywhere, keeping erased people out, and limits of how long rows are kept."""

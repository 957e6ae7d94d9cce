"""Erasing a person everywhere, keeping erased people out, and retention limits."""

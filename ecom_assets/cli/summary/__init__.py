"""The summary of a run: its numbers, and its text."""

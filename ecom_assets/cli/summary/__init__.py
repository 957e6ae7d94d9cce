"""The summary of a run, a file per subject."""

"""The routes, in one file per subject."""

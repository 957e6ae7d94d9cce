"""Whole runs, beside programs written by hand."""

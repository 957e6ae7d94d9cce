"""Answers that are kept by the version of their data."""

"""The cache of answers, by the version of their data."""

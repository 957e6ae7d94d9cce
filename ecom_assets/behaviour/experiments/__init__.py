"""Experiments: how variants compare, and whether the difference is more than chance."""

"""Tests of what to look at."""

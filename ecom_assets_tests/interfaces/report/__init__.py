"""Tests of the weekly report's pure parts."""

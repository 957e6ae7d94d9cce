"""Tests of what starts runs by itself."""

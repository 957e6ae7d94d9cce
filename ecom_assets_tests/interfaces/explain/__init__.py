"""Tests of why a number is what it is."""

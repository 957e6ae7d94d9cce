"""Tests of where results go."""

"""Tests of questions about sales."""

"""Tests of weeks and other calendar periods."""

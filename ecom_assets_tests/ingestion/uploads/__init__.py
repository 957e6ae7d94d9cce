"""Tests of files that people send by the browser."""

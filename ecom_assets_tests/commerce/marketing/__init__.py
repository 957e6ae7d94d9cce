"""Tests of what advertising costs."""

"""Visitor segments: named groups of visitors, by what they did and when they were first seen."""

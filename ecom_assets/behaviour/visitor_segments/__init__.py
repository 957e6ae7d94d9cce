"""Visitor segments: named groups of visitors,
defined by their events and by when they were first seen.
"""

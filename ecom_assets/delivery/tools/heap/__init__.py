"""Heap."""

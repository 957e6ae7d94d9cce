"""Engines of recipes: a test adds this folder to that of the real ones."""

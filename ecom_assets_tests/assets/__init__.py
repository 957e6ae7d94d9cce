"""Tests of what assets are made of."""

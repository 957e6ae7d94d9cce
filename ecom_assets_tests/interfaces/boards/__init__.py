"""Tests of saved questions, boards and annotations."""

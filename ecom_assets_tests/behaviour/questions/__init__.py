"""Tests of what every ad-hoc question is made with."""

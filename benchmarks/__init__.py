"""Measurements, side by side with peers, in the rooms of the package."""

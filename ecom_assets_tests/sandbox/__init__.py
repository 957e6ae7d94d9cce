"""Tests of the simulated shop and of the local stand-ins."""

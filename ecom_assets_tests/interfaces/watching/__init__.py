"""Tests of watched numbers."""

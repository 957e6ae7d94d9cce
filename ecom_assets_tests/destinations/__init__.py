"""Tests of deliveries to other tools."""

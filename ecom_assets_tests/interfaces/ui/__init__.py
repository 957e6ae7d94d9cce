"""Tests of the guard in front of Dagster's UI."""

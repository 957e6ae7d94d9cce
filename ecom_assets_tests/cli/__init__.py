"""Tests of the `ecom` command."""

"""Tests of `ecom stream`."""

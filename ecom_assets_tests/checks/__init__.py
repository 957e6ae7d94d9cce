"""Tests of `ecom_assets.checks`: each claim holds on good data and goes red for what it claims to catch."""

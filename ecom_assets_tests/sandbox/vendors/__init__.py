"""Tests of `ecom_sandbox.vendors`."""

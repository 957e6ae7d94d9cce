"""Tests of `ecom_assets.ingestion`."""

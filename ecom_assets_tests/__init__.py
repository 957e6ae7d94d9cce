"""Tests of `ecom_assets`; the folders mirror the package."""

"""Tests of `ecom_assets.journeys`."""

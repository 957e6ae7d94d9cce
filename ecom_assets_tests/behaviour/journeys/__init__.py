"""Tests of `ecom_assets.behaviour.journeys`."""

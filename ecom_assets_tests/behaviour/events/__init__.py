"""Tests of `ecom_assets.behaviour.events`."""

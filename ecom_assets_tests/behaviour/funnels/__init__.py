"""Tests of `ecom_assets.behaviour.funnels`."""

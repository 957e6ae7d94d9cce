"""Attacks on the API and the collector: `python -m ecom_assets_tests.attacks --minutes 5`."""

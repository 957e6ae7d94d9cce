"""An open e-commerce data platform on Dagster.

Nothing is imported here, so that `ecom` commands load only what they use.
"""

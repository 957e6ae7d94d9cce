"""Funnels: the definition, the portable expression, the daily tables."""

"""Costs: what items cost and since when, and what sales leave of it: profit by day and category."""

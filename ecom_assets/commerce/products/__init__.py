"""Products: performance, stock, inventory alerts."""

"""Attribution: which channels led to orders and purchases, and their credit."""

"""Files of events and orders, and their mappings."""

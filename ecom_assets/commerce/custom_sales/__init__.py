"""Sales, asked like events: any measure of order lines by any of their dimensions."""

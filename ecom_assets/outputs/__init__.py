"""What goes out: marts that are published, and deliveries to other tools."""

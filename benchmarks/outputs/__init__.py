"""Publication and deliveries."""

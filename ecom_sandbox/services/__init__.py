"""Stand-ins for the customer, order and catalogue APIs."""

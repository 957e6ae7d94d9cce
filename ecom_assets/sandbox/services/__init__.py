"""Stand-ins of the customer, order and catalogue APIs."""

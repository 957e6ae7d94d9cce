"""The ledger of deliveries: each record once."""

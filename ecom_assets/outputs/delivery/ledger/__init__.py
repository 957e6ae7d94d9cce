"""The ledger of deliveries, which makes sure that each record is sent once."""

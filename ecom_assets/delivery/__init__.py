"""Deliveries: what is due, the ledger, sending."""

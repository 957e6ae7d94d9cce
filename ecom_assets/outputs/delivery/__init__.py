"""Deliveries: pending records, the ledger, and sending."""

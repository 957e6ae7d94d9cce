"""Parity: every engine gives the same tables. Not here: what one engine does by itself (`warehouse/`)."""

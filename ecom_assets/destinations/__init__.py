"""Where results go: per tool its payloads (pure) and its client, and the ledger of what was sent."""

"""Questions about events, sessions and people."""

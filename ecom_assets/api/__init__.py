"""The HTTP API: thin routes over answers, and the store that they read."""

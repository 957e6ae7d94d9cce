"""Authentication and authorization: API keys, tokens, scopes and rate limits."""

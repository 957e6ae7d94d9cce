"""What the platform's HTTP servers share: connections, keys and tokens, callers, refusals,
and a log in JSON.
"""

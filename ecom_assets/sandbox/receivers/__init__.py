"""Stand-ins of the analytics tools that records are delivered to: they take, refuse, count and forget as documented."""

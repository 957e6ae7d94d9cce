"""Stand-ins of the tools that records are delivered to."""

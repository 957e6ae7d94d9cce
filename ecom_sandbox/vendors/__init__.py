"""Stand-ins for the tools to which records are delivered."""

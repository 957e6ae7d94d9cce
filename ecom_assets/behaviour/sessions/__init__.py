"""Sessions: the session rule, the events in sessions, engagement, and search terms."""

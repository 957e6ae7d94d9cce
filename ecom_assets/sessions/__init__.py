"""Sessions: the rule that cuts them, their events, engagement, search terms."""

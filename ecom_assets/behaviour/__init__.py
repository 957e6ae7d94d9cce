"""What visitors do: events, who is who, sessions, and the questions about them."""

"""What starts runs by itself, and what says that one failed."""

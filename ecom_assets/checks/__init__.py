"""Claims about the data that the platform checks itself on, run by run."""

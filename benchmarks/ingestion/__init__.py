"""What comes in: files, APIs, the collector and streams."""

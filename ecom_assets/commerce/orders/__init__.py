"""Order lines: received, clean, quarantined, and days that are held."""

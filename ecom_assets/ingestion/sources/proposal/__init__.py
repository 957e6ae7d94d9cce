"""What `ecom mapping init` proposes for files that nobody has mapped."""

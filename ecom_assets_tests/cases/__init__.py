"""Small inputs out of public bug reports that came out wrong, each with its right value."""

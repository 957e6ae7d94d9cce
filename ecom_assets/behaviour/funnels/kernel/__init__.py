"""The fast way to count a funnel on DuckDB."""

"""Data quality: what became of received rows, why rows are quarantined, and which days are held."""

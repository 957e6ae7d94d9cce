"""Data quality: the outcomes of received rows, why rows are quarantined,
and which days are held.
"""

"""Databases of what cannot be computed again, such as what was delivered, and boards:
SQLite or Postgres.
"""

"""The stores that the API reads from: the snapshot, or Postgres."""

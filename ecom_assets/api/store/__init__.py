"""Where the API reads its numbers: the snapshot, or Postgres."""

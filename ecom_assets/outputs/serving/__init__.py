"""Publishing: the marts in Postgres, the snapshot that the API reads, real time."""

"""The HTTP API: thin routes over the queries of each subject, and the store that they read from."""

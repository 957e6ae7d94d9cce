"""The pages of the dashboard: a file per page, with its `PAGE`."""

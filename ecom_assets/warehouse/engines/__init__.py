"""The warehouses that hold tables, each behind the `Engine` interface."""

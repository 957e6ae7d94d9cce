"""Pure functions from Ibis tables to Ibis expressions: no Dagster, no clock, no input or output, no environment."""

"""Snowflake as the warehouse."""

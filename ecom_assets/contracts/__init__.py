"""One class per table: its grain, key, columns, units, limits and personal data.

From a contract come the DDL, the column schema in Dagster, the blocking contract check and the data dictionary. Not
here: how a table is computed (`transforms/`) or stored (`warehouse/`).
"""

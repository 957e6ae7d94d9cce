"""Sources of rows: files, the customer API, the order report API, the catalogue,
a Snowflake table.
"""

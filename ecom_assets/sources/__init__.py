"""Where rows come from: files, the customer API, the order report API, a Snowflake table."""

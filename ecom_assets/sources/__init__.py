"""Where data come from: files, tables, streams and services, each brought to the columns of a raw table."""

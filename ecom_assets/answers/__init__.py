"""Ad-hoc questions answered by an engine: what the `ecom` command prints and the HTTP API returns."""

"""HTTP requests to sources and tools: one session class with shared waiting and retries."""

"""How rows come in: files and APIs of others, events over HTTP, streams."""

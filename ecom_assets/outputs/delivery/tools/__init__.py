"""The tools that records are delivered to, one package each."""

"""How other services are asked, sources and tools alike: one session, one way to wait and to try again."""

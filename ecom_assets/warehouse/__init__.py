"""Where tables are kept: the engine interface, the IO manager, and what holds on every engine."""

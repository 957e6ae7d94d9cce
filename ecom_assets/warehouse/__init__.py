"""Where tables live: an engine per file, and the one IO manager that writes them."""

"""Documents of REST APIs into landing folders, which are then read as files."""

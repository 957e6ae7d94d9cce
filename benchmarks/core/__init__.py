"""What every table is made with."""

"""What every table and answer is made with."""

"""Which tables exist, from what, by which partition, under which contract. The work is in `transforms/`."""

"""The smallest kind of record: its contracts, and the package that declares it."""

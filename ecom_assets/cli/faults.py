"""Faults of the world outside (disk, database, network) as one sentence. Not here: our own errors (`errors.py`)."""

DRIVERS = ("_duckdb", "duckdb", "sqlite3", "sqlalchemy")


def outside_fault(error: BaseException) -> str | None:
    """Return what went wrong outside of this program, or None if the fault may be its own."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; mend that and run again."
    if type(error).__module__.split(".")[0] in DRIVERS:
        return f"the database said: {_first_line(error)}; mend that and run again, nothing was half-written."
    return outside_fault(error.__cause__) if error.__cause__ is not None else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")

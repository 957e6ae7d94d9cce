"""Messages for errors of disks and databases. The platform's own errors are in `ecom_assets/errors.py`."""


def outside_fault(error: BaseException) -> str | None:
    """Return a message for an error outside of this program, or None if it may be a bug of this program."""
    library = type(error).__module__.split(".")[0].lstrip("_")
    if library == "duckdb":
        return f"DuckDB says: {_first_line(error)}; fix that and run again, nothing was half-written."
    if library in {"sqlite3", "sqlalchemy"}:
        return (
            f"Dagster's history in DAGSTER_HOME cannot be kept: {_first_line(error)}; see that its disk has space "
            "and may be written, then run again."
        )
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; fix that and run again."
    return outside_fault(error.__cause__) if error.__cause__ is not None else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")

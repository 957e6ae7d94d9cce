"""The Parquet file whose pages cannot be read, named after a statement has failed; its footer can still be whole.

Reading all pages ahead would cost as much as the work itself, and the engine does not always say which file it was at.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ecom_assets.errors import SourceError
from ecom_assets.warehouse.sql_text import pattern_of, text

_NAMED = re.compile(r'Failed to read file "(.+?)": (.*)')
_NEVER = (
    duckdb.InterruptException,
    duckdb.OutOfMemoryException,
    duckdb.ConstraintException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.TransactionException,
    duckdb.ConversionException,
)
"""Errors that a damaged page does not cause."""
_opened: dict[str, None] = {}


def note_parquet(paths: Iterable[str]) -> None:
    """Remember files that this process reads, the newest last."""
    for path in paths:
        _opened.pop(path, None)
        _opened[path] = None


def damaged_parquet(error: BaseException) -> str | None:
    """Return a sentence about the damaged file that an error, or what caused it, comes from; None if there is none."""
    if isinstance(error, duckdb.Error):
        return None if isinstance(error, _NEVER) else _sentence(str(error))
    return damaged_parquet(error.__cause__) if error.__cause__ is not None else None


@contextmanager
def naming_damaged_parquet() -> Iterator[None]:
    """Raise a SourceError in place of an error that comes from a damaged file."""
    try:
        yield
    except Exception as error:
        if sentence := damaged_parquet(error):
            raise SourceError(sentence) from error
        raise


def _sentence(message: str) -> str | None:
    if named := _NAMED.search(message):
        return _about(named[1], named[2]) if Path(named[1]).suffix in {".parquet", ".pq"} else None
    faults = ((path, _fault_in(path)) for path in [*reversed(_opened)] if Path(path).is_file())
    return next((_about(path, fault) for path, fault in faults if fault), None)


def _fault_in(path: str) -> str:
    """Return what the engine says about the pages of a file; empty if it reads them."""
    with duckdb.connect() as con:
        try:
            con.execute(f"SELECT bit_xor(hash(COLUMNS(*))) FROM read_parquet({text(pattern_of(path))})")  # noqa: S608 (quoted)
        except duckdb.Error as error:
            return str(error)
    return ""


def _about(path: str, fault: str) -> str:
    reason = "".join(filter(str.isprintable, fault.splitlines()[0].rpartition('": ')[2])).rstrip(" .:")
    return f"{path} is a damaged Parquet file: a part of it cannot be read ({reason}); deliver it again or remove it."

"""Costs, or ad spend, in a table of a database, which lands in files: these are read as files of
costs, or of ad spend, are.

So each state of the table stays, and costs without a day hold from the day on which they were read.
"""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import duckdb

from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.clock import Clock, now_utc, today_in
from ecom_assets.core.errors import SettingError, SourceError, WarehouseError, first_line
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.subjects import engine_kinds
from ecom_assets.core.warehouse.engines import EngineKind
from ecom_assets.core.warehouse.sql_text import ident, select, text
from ecom_assets.ingestion.sources.files.formats import split_paths

SETTING: Final = "ECOM_COSTS"
FOLDER: Final = "costs"
"""The folder in `ECOM_HOME` with what was read of the table, a folder a day."""
FORMS: Final = {
    "duckdb": "duckdb:///path/to/file.duckdb/SCHEMA/TABLE",
    "postgres": "postgres://USER:PASSWORD@HOST/DATABASE/SCHEMA/TABLE",
    "snowflake": "snowflake://USER@ACCOUNT/DATABASE/SCHEMA/TABLE?warehouse=WAREHOUSE",
}
"""How the address of a table is written, by the engine that has it."""
DEFAULT_SCHEMA: Final = {"duckdb": "main", "postgres": "public", "snowflake": "PUBLIC"}
DEPTH: Final = 2
"""The parts of a table's name: schema and table."""
Rows = tuple[Sequence[str], Iterable[Sequence[object]]]
"""The names of columns, and rows."""


def table_kind(settings: Settings) -> EngineKind | None:
    """Return the engine that has the table of costs; None where costs are files, or none.

    Raises:
        SettingError: The setting names a table and something else.
    """
    paths = split_paths(settings.costs)
    kinds = [kind for path in paths for kind in _kinds() if kind.has_address(path)]
    if kinds and len(paths) > 1:
        raise SettingError(
            f"{SETTING} names a table of {kinds[0].name} and something else; name one table, or "
            "files."
        )
    return kinds[0] if kinds else None


def kind_of(path: str) -> EngineKind | None:
    """Return the engine that has the table of an address; None if it is none."""
    return next((kind for kind in _kinds() if kind.has_address(path)), None)


def _kinds() -> Iterator[EngineKind]:
    kind: EngineKind
    for kind in engine_kinds():
        if kind.name in FORMS:
            yield kind


def cost_paths(
    con: duckdb.DuckDBPyConnection, settings: Settings, now: Clock = now_utc
) -> list[str]:
    """Return the paths of the files of costs; a table lands first, if it is not as it last was.

    Raises:
        SettingError: The address of the table is not complete.
        SourceError: There is no connection, or no such table.
    """
    kind = table_kind(settings)
    if kind is None:
        return split_paths(settings.costs)
    [url] = split_paths(settings.costs)
    return [landed_table(con, CostTable.parse(kind, settings, url), now)]


def landed_table(con: duckdb.DuckDBPyConnection, table: "CostTable", now: Clock = now_utc) -> str:
    """Return the folder of a table's files; it lands first, if it is not as it last was.

    Raises:
        SourceError: There is no connection, or no such table.
    """
    settings = table.settings
    folder = settings.home / table.folder / hashlib.sha256(table.shown.encode()).hexdigest()[:12]
    _land(*table.read(con), folder, today_in(settings.timezone, now), table.file_name)
    return str(folder)


def shown_costs(settings: Settings) -> str:
    """Return the paths, or the address of the table without secrets."""
    is_table = table_kind(settings) is not None
    return without_secrets(split_paths(settings.costs)[0]) if is_table else settings.costs


@dataclass(frozen=True)
class CostTable:
    """A table of costs, or of ad spend: the address of its database, its schema and its name.

    `setting` names it, `noun` is what its rows are, and its files land in `folder` of `ECOM_HOME`.
    """

    kind: EngineKind
    settings: Settings
    database: str
    schema: str
    name: str
    setting: str = SETTING
    noun: str = "costs"
    folder: str = FOLDER

    @classmethod
    def parse(
        cls, kind: EngineKind, settings: Settings, url: str, setting: str = SETTING, **more: str
    ) -> "CostTable":
        """Return the table of an address that a setting names; `more` as the fields.

        Raises:
            SettingError: The address names no table.
        """
        parts = urlsplit(url)
        path = [part for part in parts.path.split("/") if part]
        length = _database_length(kind, path)
        named = [unquote(part) for part in path[length:]]
        if not 0 < len(named) <= DEPTH:
            raise SettingError(
                f"{setting}={without_secrets(url)!r} names no table; write {FORMS[kind.name]}."
            )
        query = f"?{parts.query}" if parts.query else ""
        database = f"{parts.scheme}://{parts.netloc}/{'/'.join(path[:length])}{query}"
        schema = named[0] if len(named) == DEPTH else DEFAULT_SCHEMA[kind.name]
        return cls(kind, settings, database, schema, named[-1], setting, **more)

    @property
    def shown(self) -> str:
        """The table and its database, without secrets."""
        return f"{self.schema}.{self.name} of {without_secrets(self.database)}"

    @property
    def file_name(self) -> str:
        """The name of the file that the rows land in, which messages name."""
        plain = re.sub(r"\W", "_", self.name).lstrip("_")
        return f"{plain or FOLDER}.csv"

    def read(self, con: duckdb.DuckDBPyConnection) -> tuple[list[str], list[list[str]]]:
        """Return the names of the columns, and all rows as texts, in order.

        Args:
            con: What reads a file of DuckDB; it may have it open.

        Raises:
            SettingError: The packages of the engine are not installed.
            SourceError: There is no connection, or no such table.
        """
        if self.kind.name == "duckdb":
            names, rows = self._in_duckdb(con)
        else:
            with packages_of(self.kind.name, f"{self.setting}={self.kind.schemes[0]}://…"):
                names, rows = READERS[self.kind.name](self)
        texts = (["" if value is None else str(value) for value in row] for row in rows)
        return list(names), sorted(texts)

    def _in_duckdb(self, con: duckdb.DuckDBPyConnection) -> Rows:
        path = Path(urlsplit(self.database).path)
        with (
            closing(con.cursor()) as cursor,
            self.failing(duckdb.Error),
            _attached(cursor, path) as name,
        ):
            table = ".".join(map(ident, (name, self.schema, self.name)))
            result = cursor.execute(select("*", table))
            return [column[0] for column in result.description or ()], result.fetchall()

    def in_postgres(self) -> Rows:
        """Return the rows of a table of Postgres."""
        import psycopg  # noqa: PLC0415 (an extra)

        with self.failing(psycopg.Error), psycopg.connect(self.database, connect_timeout=10) as con:
            result = con.execute(select("*", f"{ident(self.schema)}.{ident(self.name)}").encode())
            return [column.name for column in result.description or ()], result.fetchall()

    def in_snowflake(self) -> Rows:
        """Return the rows of a table of Snowflake; names that it writes in capitals are small."""
        from ecom_assets.core.warehouse.engines.snowflake.connection import (  # noqa: PLC0415 (an extra)
            SnowflakeAddress,
            plain_errors,
        )

        address = SnowflakeAddress.parse(self.database, self.settings, self.setting)
        path = (address.database, self.schema.upper(), self.name.upper())
        with self.failing(WarehouseError), address.connected() as con, plain_errors(address):
            cursor = con.cursor()
            cursor.execute(select("*", ".".join(map(ident, path))))
            columns = [column.name for column in cursor.description]
            rows = cursor.fetchall()
        return [name.lower() if name.isupper() else name for name in columns], rows

    @contextmanager
    def failing(self, error_type: type[Exception]) -> Iterator[None]:
        """Turn errors of a database into a sentence.

        Raises:
            SourceError: What was wrong, and what to do.
        """
        try:
            yield
        except error_type as error:
            raise SourceError(
                f"The {self.noun} in {self.shown} cannot be read ({first_line(error)}); correct "
                f"{self.setting}, or let its user read the table."
            ) from error


READERS: Final[Mapping[str, Callable[[CostTable], Rows]]] = {
    "postgres": CostTable.in_postgres,
    "snowflake": CostTable.in_snowflake,
}


def _database_length(kind: EngineKind, path: Sequence[str]) -> int:
    """Return how many parts of a path name the database: one, or those of a file; of one that is
    not there up to a name with an ending, or all but the table's.
    """
    if kind.name != "duckdb":
        return 1
    lengths = range(len(path), 0, -1)
    files = (length for length in lengths if Path("/", *path[:length]).is_file())
    named = (length for length in lengths if Path(path[length - 1]).suffix)
    return next(files, next(named, max(0, len(path) - 1)))


@contextmanager
def _attached(con: duckdb.DuckDBPyConnection, path: Path) -> Iterator[str]:
    """Yield the name of a DuckDB file on a connection, which has it open or opens it."""
    opened = con.execute(
        "SELECT database_name FROM duckdb_databases() WHERE path = ?", [str(path)]
    ).fetchone()
    if opened:
        yield opened[0]
        return
    con.execute(f"ATTACH {text(str(path))} AS costs_table (READ_ONLY)")
    try:
        yield "costs_table"
    finally:
        con.execute("DETACH costs_table")


def _land(
    names: Sequence[str], rows: Iterable[Sequence[str]], folder: Path, day: date, file_name: str
) -> None:
    """Write rows as the file of a day, unless they are those that were written last."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    content = written.getvalue().encode()
    before = sorted(folder.glob(f"received_date=*/{file_name}"))
    if before and before[-1].read_bytes() == content:
        return
    landed = folder / f"received_date={day}"
    landed.mkdir(parents=True, exist_ok=True)
    replace_bytes(landed / file_name, content)

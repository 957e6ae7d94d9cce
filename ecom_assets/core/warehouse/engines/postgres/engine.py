"""Postgres as the warehouse: several runs side by side, keys and indexes from the contracts.

Dagster's own storage on Postgres is in `automation/instance/postgres.py`.
"""

import contextlib
import io
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Self
from urllib.parse import urlsplit

import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import sqlglot.expressions as sge
from ibis.backends.postgres import Backend
from ibis.backends.sql.compilers.postgres import PostgresCompiler

from ecom_assets.core.errors import ConnectionLostError, WarehouseError, first_line
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.rows import Row, named_rows
from ecom_assets.core.settings.resource import SecretKeeper
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import (
    DIALECTS,
    as_declared,
    nullable_schema,
)
from ecom_assets.core.warehouse.engine import DatasetNames, Engine, broken_contract
from ecom_assets.core.warehouse.engines.postgres.views import SavedView, dependent_views
from ecom_assets.core.warehouse.kept_rows import KeepsStatements, KeptDialect, WritesKept
from ecom_assets.core.warehouse.lineage import LAYERS
from ecom_assets.core.warehouse.local import CopiedParts, WholeKeys
from ecom_assets.core.warehouse.sql_text import POSTGRES_KEEPS, purging_postgres, text
from ecom_assets.core.warehouse.table_statements import TABLE_STATEMENTS

MOST_INT64 = 2**63 - 1
WHOLE = r"^-?\d{1,19}$"
PLAIN = r"^[-.\d]{1,255}$"
"""A JSON number that is certainly within the limits of a double."""
TINY, HUGE = r"[eE]-0*[1-9]\d{3}", r"[eE]\+?0*[1-9]\d{3}"
"""Exponents of four digits and more, of which Postgres makes no decimal."""


DEFAULT_PORT = 5432
LEAST_DOUBLE = "2.4703282292062328e-324"
"""What is less is 0 as a double."""


class PortablePostgresCompiler(WritesKept, CopiedParts, WholeKeys, PostgresCompiler):  # type: ignore[misc]  # Ibis ships no types
    """Ibis' compiler. Ibis finds methods by their names."""

    def json_extract_path_text(self, op: ops.Value, arg: Any, *rest: Any) -> Any:  # noqa: ANN401 (as Ibis has it)
        """Read a JSON value as text, in the order of its bytes:
        Ibis writes an empty path as no Postgres reads it.
        """
        if rest:
            return super().json_extract_path_text(op, arg, *rest)
        text = sge.Paren(this=sge.JSONBExtractScalar(this=arg, expression=sge.convert("{}")))
        return _in_bytes(text)

    def visit_GroupConcat(self, op: ops.GroupConcat, *, order_by: Any, **parts: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Join texts in the order of their bytes, as every other engine does, whatever the order of
        the database is.
        """
        for key, written in zip(op.order_by, order_by, strict=True):
            if key.dtype.is_string():
                written.set("this", _in_bytes(written.this))
        return super().visit_GroupConcat(op, order_by=order_by, **parts)

    def visit_Cast(self, op: ops.Cast, *, arg: Any, to: dt.DataType) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Write a double from 10^15 to 10^16 without an exponent, as the other engines do."""
        text = super().visit_Cast(op, arg=arg, to=to)
        if not (op.arg.dtype.is_float64() and to.is_string()):
            return text
        plain = self.cast(self.cast(text, dt.Decimal()), dt.string)
        return self.if_(text.like(sge.convert("%e+15")), plain, text)

    def visit_UnwrapJSONInt64(self, op: ops.UnwrapJSONInt64, *, arg: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Return a whole number of 64 bits, else null: Ibis fails at larger ones,
        and leaves out negative ones.
        """
        text = self.json_extract_path_text(op, arg)
        is_whole = (
            self.json_typeof(op, arg).eq(sge.convert("number")).and_(text.rlike(sge.convert(WHOLE)))
        )
        fits = self.cast(text, dt.Decimal()).between(
            sge.convert(-MOST_INT64 - 1), sge.convert(MOST_INT64)
        )
        return self.if_(is_whole, self.if_(fits, self.cast(text, op.dtype), sge.Null()), sge.Null())

    def visit_UnwrapJSONFloat64(self, op: ops.UnwrapJSONFloat64, *, arg: Any) -> Any:  # noqa: ANN401, N802 (as above)
        """Return a number as a double, infinity beyond the greatest and 0 below the least,
        at which a cast fails.
        """
        text = self.json_extract_path_text(op, arg)
        size = self.f.abs(self.cast(text, dt.Decimal()))
        infinity = self.if_(
            text.like(sge.convert("-%")), sge.convert("-Infinity"), sge.convert("Infinity")
        )
        number = sge.Case(
            ifs=[
                self.if_(text.rlike(sge.convert(PLAIN)), text),
                self.if_(text.rlike(sge.convert(TINY)), sge.convert("0")),
                self.if_(text.rlike(sge.convert(HUGE)), infinity),
                self.if_(
                    size > self.cast(sge.convert(str(sys.float_info.max)), dt.Decimal()), infinity
                ),
                self.if_(
                    size < self.cast(sge.convert(LEAST_DOUBLE), dt.Decimal()), sge.convert("0")
                ),
            ],
            default=text,
        )
        is_number = self.json_typeof(op, arg).eq(sge.convert("number"))
        return self.if_(is_number, self.cast(number, op.dtype), sge.Null())

    def visit_Select(self, op: ops.Relation, **parts: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Return a SELECT; one with regular expressions computes each once.

        Postgres merges nested SELECTs: a column is computed again wherever an outer one names it,
        and columns that build on each other are computed hundreds of times for each row. It does
        not merge what has an OFFSET.
        """
        select = super().visit_Select(op, **parts)
        return select.offset(0) if any(map(_has_pattern, parts["selections"].values())) else select

    def visit_RegexExtract(self, _: ops.RegexExtract, *, arg: Any, pattern: Any, index: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Return a group of the first match, null without one:
        Ibis would ask whether there is a match beforehand.
        """
        matches = self.f.regexp_match(arg, self.f.concat("(", pattern, ")"))
        return sge.paren(matches, copy=False)[index]


def _in_bytes(text: sge.Expression) -> sge.Expression:
    """Return a text that is compared by its bytes."""
    return sge.Collate(this=text, expression=sge.to_identifier("C", quoted=True))


def _has_pattern(column: sge.Expression) -> bool:
    is_match = (call.name.lower() == "regexp_match" for call in column.find_all(sge.Anonymous))
    return any(is_match) or column.find(sge.RegexpLike, sge.RegexpReplace) is not None


CONNECTION = {"connect_timeout": 10, "keepalives_idle": 30, "application_name": "ecom_assets"}
SESSION = (
    "SET TIMEZONE = UTC",
    "SET jit = off",  # it compiles each large query for longer than it runs
    "SET work_mem = '64MB'",  # sorts of a day stay in memory; the server's 4 MB would spill them
    # It expects one row behind a filter or a subquery of which it has no statistics, and would then
    # join thousands row by row: 0.4 s of staging.ad_spend became minutes.
    "SET enable_nestloop = off",
)
GONE = ("57P01", "57P02", "57P03", "08000", "08001", "08003", "08004", "08006")
"""SQLSTATEs that say that the connection, not the statement, failed."""
TEXT = 'text COLLATE "C"'
"""Text in the order of its bytes, as every other engine has it,
whatever the database's language is.
"""


class PostgresBackend(KeepsStatements, Backend):  # type: ignore[misc]  # Ibis ships no types
    """Ibis' backend, taking null where Ibis declares that there is none."""

    compiler = PortablePostgresCompiler()

    def to_pyarrow(self, expr: ir.Expr, /, **options: Any) -> Any:  # noqa: ANN401 (a table, a column or a scalar)
        """Run an expression and return its result; `options` are those of Ibis."""
        with self.to_pyarrow_batches(expr.as_table(), **options) as batches:
            return expr.__pyarrow_result__(batches.read_all())

    def create_table(self, name: str, /, obj: Any = None, **options: Any) -> ir.Table:  # noqa: ANN401 (as Ibis has it)
        """Create a table as Ibis does, but a temporary one without its constraints."""
        if not (options.get("temp") and isinstance(obj, ir.Table)):
            return super().create_table(name, obj, **options)
        declared = options.get("schema") or obj.schema()
        made = super().create_table(name, obj, **options | {"schema": nullable_schema(declared)})
        return as_declared(made, declared)


class PostgresDialect(KeptDialect):
    """Postgres takes `IN (SELECT …)` everywhere."""

    joins_in_columns = joins_cheaply = True


DIALECTS[PostgresBackend.name] = PostgresDialect()


class PostgresEngine(Engine):
    """A Postgres database; tables lie in schemas named as the layers."""

    con: PostgresBackend
    creates_view = "CREATE VIEW"

    def __init__(self, settings: Settings, *, setting: str = "ECOM_WAREHOUSE") -> None:
        """Take the address from the settings;
        `setting` is the one that messages name as the one to correct.
        """
        super().__init__(without_secrets(settings.warehouse_url))
        self._url = settings.warehouse_url
        self._setting = setting
        self._keeps_statements = settings.cache == "on"
        self._dropped_views: list[SavedView] = []

    def connect_through(self, service: SecretKeeper) -> Self:
        """Take the address from the resource `postgres`, where the secrets of a run are."""
        self._url = service.secret_value("url")
        self.address = without_secrets(self._url)
        return self

    def dataset_names(self) -> DatasetNames:
        """Return how OpenLineage names the tables: after the database."""
        server = self.server()
        return DatasetNames(
            f"postgres://{server['host']}:{server['port']}", f"{server['database']}."
        )

    def server(self) -> dict[str, Any]:
        """Return the server as data contracts describe it."""
        parts = urlsplit(self.address)
        database = {
            "host": parts.hostname,
            "port": parts.port or DEFAULT_PORT,
            "database": parts.path.strip("/"),
        }
        return {
            "server": "warehouse",
            "type": "postgres",
            **database,
            "schema": "raw, staging, mart",
        }

    def is_same_database(self, other: Engine) -> bool:
        """Return whether another warehouse is this database of this server."""
        question = (
            "SELECT pg_postmaster_start_time() AS since, oid FROM pg_database WHERE datname = "
            "current_database()"
        )
        return isinstance(other, PostgresEngine) and other.query(question) == self.query(question)

    def noting_writes(self) -> Self:
        """Note from now on which days are written."""
        self.notes_writes = True
        return self

    def open(self) -> Self:
        """Connect.

        Raises:
            WarehouseError: The server cannot be reached, or refuses the user.
        """
        TABLE_STATEMENTS.keep_statements(is_on=self._keeps_statements)
        try:
            self.con = PostgresBackend.from_connection(self._connect())
        except psycopg.Error as error:
            message = first_line(error).replace(
                self._url, self.address
            )  # libpq quotes one that it cannot read
            raise WarehouseError(
                f"{self.address} cannot be opened: {message}; correct {self._setting}, or start "
                "the server."
            ) from (None if self._url in str(error) else error)
        return self

    def reconnect(self) -> None:
        """Open a lost connection again; tables that were handed out use it from then on."""
        with contextlib.suppress(psycopg.Error):
            self.con.con.close()
        with self._plain_errors():
            self.con.con = self._connect()

    def ensure(self, contract: Contract) -> None:
        """Create the table, and those it refers to, or add its new columns,
        while no other run does.
        """
        for _, target in contract.references:
            self.ensure(target)
        if not self.is_ready(contract):
            with self.transaction():
                self._lock(contract)
                super().ensure(contract)

    def read_columns(self) -> list[Row]:
        """Return the stored columns of all tables and views, as Ibis reads those of one."""
        layers = ", ".join(map(text, LAYERS))
        return self.query(
            "SELECT n.nspname || '.' || c.relname AS table_name, a.attname AS column_name, "  # noqa: S608 (names of layers)
            "CASE t.typtype WHEN 'e' THEN 'enum' ELSE format_type(a.atttypid, a.atttypmod) END "
            "AS data_type, NOT a.attnotnull AS is_nullable FROM pg_attribute a "
            "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "JOIN pg_type t ON t.oid = a.atttypid WHERE a.attnum > 0 AND NOT a.attisdropped "
            f"AND c.relkind IN ('r', 'p', 'v') AND n.nspname IN ({layers}) ORDER BY c.oid, a.attnum"
        )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything done inside, or nothing."""
        with self._plain_errors(), self.con.con.transaction():
            yield

    def execute(self, sql: str) -> None:
        """Run a statement and discard its result."""
        with self._plain_errors():
            self.con.con.execute(sql.encode())

    def query(self, sql: str) -> list[Row]:
        """Run a small query and return its rows by column name."""
        with self._plain_errors(), self.con.con.execute(sql.encode()) as cursor:
            names = [column.name for column in cursor.description or ()]
            return named_rows(names, cursor.fetchall())

    def insert(self, sql: str) -> int:
        """Run an INSERT and return how many rows it added."""
        with self._plain_errors(), self.con.con.execute(sql.encode()) as cursor:
            return int(cursor.rowcount)

    def take_in(self, contract: Contract, batches: pa.RecordBatchReader) -> int:
        """Add rows from outside with COPY, a batch at a time."""
        copy_in = (
            f"COPY {self.name_of(contract)} ({self.columns_of(contract)}) FROM STDIN (FORMAT csv)"
        )
        with self._plain_errors(), self.con.con.cursor() as cursor:
            with cursor.copy(copy_in.encode()) as copy:
                for batch in batches:
                    copy.write(_as_csv(batch))
            return int(cursor.rowcount)

    def begin_slice(self, contract: Contract) -> None:
        """Keep other writers of the table out until the transaction ends;
        readers are not held up.
        """
        self._lock(contract)

    def end_slice(self, contract: Contract) -> None:
        """Delete the rows that refer to rows which are gone;
        the same run computes their tables later.
        """
        if contract.referred_by:
            try:
                with (
                    self.con.con.transaction()
                ):  # a savepoint, so that a refusal costs nothing but itself
                    self.con.con.execute("SET CONSTRAINTS ALL IMMEDIATE")
            except psycopg.errors.ForeignKeyViolation:
                self._remove_orphans(contract)
        self.analyze(contract)

    def _remove_orphans(self, contract: Contract) -> None:
        (key,) = contract.key
        for table, column in contract.referred_by:
            if self.has(table):
                parent = (
                    f"SELECT FROM {self.name_of(contract)} d WHERE d.{self.quoted(key)} = "
                    f"f.{self.quoted(column)}"
                )
                self.execute(f"DELETE FROM {self.name_of(table)} f WHERE NOT EXISTS ({parent})")  # noqa: S608 (as above)
                self._lock(table)
                self.note_write(table, None)

    def purge(self, contracts: Iterable[Contract]) -> str:
        """Write tables into new files, without deleted rows; each is locked while that lasts."""
        for statement in purging_postgres(map(self.name_of, contracts)):
            self.execute(statement)
        return POSTGRES_KEEPS.format(address=self.address)

    def analyze(self, contract: Contract) -> None:
        """Update the planner's statistics; with the old counts it joins large slices row by row."""
        self.execute(f"ANALYZE {self.name_of(contract)}")

    def drop(self, contract: Contract) -> None:
        """Drop the table if it exists, with the foreign keys that refer to it.

        Views that use it, which are not the platform's, are dropped with it, and made again by
        `restore_views`.
        """
        if self.has(contract):
            target = f"{text(self.name_of(contract))}::regclass"
            views = dependent_views(self.query, target)
            for view in reversed(views):
                self.execute(f"DROP {view.kind} {view.name}")
            self._dropped_views += views
            keys = (
                "SELECT conrelid::regclass::text AS holder, conname FROM pg_constraint "  # noqa: S608 (names come from contracts)
                f"WHERE confrelid = {target}"
            )
            for row in self.query(keys):
                self.execute(
                    f"ALTER TABLE {row['holder']} DROP CONSTRAINT {self.quoted(row['conname'])}"
                )
        super().drop(contract)

    def restore_views(self) -> None:
        """Make the views again that were dropped with their tables, as they were, with owners,
        rights and comments.

        Raises:
            WarehouseError: A view does not fit the new tables, so that nothing may stay changed.
        """
        views, self._dropped_views = self._dropped_views, []
        for view in views:
            if self.query(f"SELECT to_regclass({text(view.name)}) AS found")[0]["found"]:
                continue  # what dropped it was undone
            try:
                for statement in view.statements:
                    self.execute(statement)
            except WarehouseError as error:
                raise WarehouseError(
                    f"The view {view.name} does not fit the changed tables of {self.address} "
                    f"({error}); drop or change it, and do this again."
                ) from error

    def make_views(self, contract: Contract) -> None:
        """Make the views of a table that are not there, while no other run does."""
        if contract.views:
            with self.transaction():
                self._lock(contract)
                super().make_views(contract)

    def refer_to(self, contract: Contract) -> None:
        """Create the foreign keys that refer to a replaced table;
        existing rows are checked by the next run.
        """
        for table, column in contract.referred_by:
            if self.has(table):
                self.execute(
                    f"ALTER TABLE {self.name_of(table)} ADD {self._foreign_key(column, contract)} "
                    "NOT VALID"
                )

    def create_statements(self, contract: Contract) -> list[str]:
        """Return the statements that create the table with its primary
        key and an index on its day.
        """
        lines = self.column_definitions(contract)
        if contract.key:
            lines += f",\n  PRIMARY KEY ({', '.join(self.quoted(name) for name in contract.key)})"
        lines += "".join(f",\n  {self._foreign_key(*pair)}" for pair in contract.references)
        days = [contract.day_column] if contract.day_column else []
        looked_up = dict.fromkeys([*days, *(column for column, _ in contract.references)])
        return [
            f"CREATE TABLE {self.name_of(contract)} (\n  {lines}\n)",
            *(
                f"CREATE INDEX ON {self.name_of(contract)} ({self.quoted(column)})"
                for column in looked_up
                if (column,) != contract.key[:1]
            ),
        ]

    def _foreign_key(self, column: str, target: Contract) -> str:
        """Return a constraint that holds when a transaction ends: until then,
        a slice may be away.
        """
        (key,) = target.key
        lead = (
            f"FOREIGN KEY ({self.quoted(column)}) REFERENCES {self.name_of(target)} "
            f"({self.quoted(key)})"
        )
        return f"{lead} DEFERRABLE INITIALLY DEFERRED"

    def type_of(self, kind: dt.DataType) -> str:
        """Return an Ibis type as Postgres' DDL spells it."""
        return TEXT if kind.is_string() else super().type_of(kind)

    def _connect(self) -> psycopg.Connection[Any]:
        con = psycopg.connect(self._url, autocommit=True, **CONNECTION)  # type: ignore[arg-type]  # the stubs want each option by name
        for statement in SESSION:
            con.execute(statement.encode())
        return con

    def _lock(self, contract: Contract) -> None:
        name = text(contract.qualified_name())
        self.execute(f"SELECT pg_advisory_xact_lock(hashtextextended({name}, 0))")

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.IntegrityError as error:
            raise broken_contract(first_line(error)) from error
        except psycopg.Error as error:
            if self.con.con.closed or error.sqlstate in GONE:
                raise ConnectionLostError(
                    f"{self.address}: the connection was lost ({first_line(error)}); nothing was "
                    "changed, run again when the server is back."
                ) from error
            advice = "nothing was changed; fix the error above, and run again."
            if isinstance(error, psycopg.errors.InsufficientPrivilege):
                advice = (
                    f"nothing was changed; grant the right to the user of {self._setting}, and "
                    "run again."
                )
            raise WarehouseError(f"{self.address}: {first_line(error)}; {advice}") from error


def _as_csv(batch: pa.RecordBatch) -> memoryview:
    """Write a batch as COPY reads it: values quoted, nulls not."""
    columns = [
        # Postgres' text cannot hold U+0000, the one character that it refuses.
        pc.replace_substring(column, "\x00", "\ufffd")
        if pa.types.is_string(column.type)
        else column
        for column in batch.columns
    ]
    sink = io.BytesIO()
    options = pa_csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pa_csv.write_csv(pa.RecordBatch.from_arrays(columns, names=batch.schema.names), sink, options)
    return sink.getbuffer()

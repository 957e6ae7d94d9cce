"""Snowflake as the warehouse: everything is computed inside the account, several runs side by side.

Names are upper case there, as people type them without quotes, and lower case in expressions. Types
and locks are explained in docs/adr/0009-snowflake-types.md.
"""

import contextlib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from urllib.parse import urlsplit

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot.expressions as sge
from ibis.backends.snowflake import Backend
from ibis.backends.sql import SQLBackend
from ibis.backends.sql.compilers.snowflake import SnowflakeCompiler
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor

from ecom_assets.core.errors import WarehouseError
from ecom_assets.core.rows import NamedValues, Row, named_rows
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import DIALECTS, schema_of, with_nulls
from ecom_assets.core.warehouse.engine import DatasetNames, Engine
from ecom_assets.core.warehouse.engines.snowflake.connection import (
    Account,
    SnowflakeAddress,
    plain_errors,
)
from ecom_assets.core.warehouse.kept_rows import KeepsStatements, KeptDialect, WritesKept
from ecom_assets.core.warehouse.lineage import LAYERS
from ecom_assets.core.warehouse.local import CopiedParts
from ecom_assets.core.warehouse.sql_text import ident, text
from ecom_assets.core.warehouse.table_statements import TABLE_STATEMENTS

TYPES = {
    dt.string: "VARCHAR",
    dt.Timestamp(scale=6): "TIMESTAMP_NTZ(6)",
    dt.date: "DATE",
    dt.Decimal(18, 2): "NUMBER(18, 2)",
    dt.Decimal(38, 2): "NUMBER(38, 2)",
    dt.Decimal(18, 4): "NUMBER(18, 4)",
    dt.Decimal(38, 4): "NUMBER(38, 4)",
    dt.Decimal(9, 6): "NUMBER(9, 6)",
    dt.Decimal(18, 6): "NUMBER(18, 6)",
    dt.Decimal(18, 9): "NUMBER(18, 9)",
    dt.Decimal(38, 6): "NUMBER(38, 6)",
    dt.int64: "NUMBER(19, 0)",
    dt.float64: "FLOAT",
    dt.boolean: "BOOLEAN",
}
"""How columns of contracts are stored."""
LOCKS = "ECOM_LOCKS"
"""Schema of one table per table, whose only row a writer updates first, so that writers take turns.
"""
JSON_COLUMN = "properties"
COPY = (
    "COPY INTO {table} FROM {stage} FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) "
    "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE PURGE = TRUE"
)
VARIANT_VIEW = "{}_variant"
"""A view beside each table with JSON text, in which that column is a VARIANT."""


class PortableSnowflakeCompiler(WritesKept, CopiedParts, SnowflakeCompiler):  # type: ignore[misc]  # Ibis ships no types
    """Ibis' compiler, corrected where its results differ from other engines.

    Ibis finds methods by their names.
    """

    def visit_Divide(self, op: ops.Divide, *, left: Any, right: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Divide as floats, because Snowflake's NUMBER / NUMBER has six decimals only."""
        is_exact = op.dtype.is_floating() and not op.left.dtype.is_floating()
        return self.binop(sge.Div, self.cast(left, op.dtype) if is_exact else left, right)

    def visit_CountStar(self, op: ops.CountStar, *, arg: Any, where: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Count rows of which something is true: COUNT_IF, as Ibis writes it, is null of no row."""
        if where is None:
            return super().visit_CountStar(op, arg=arg, where=where)
        return self.f.count(self.if_(where, 1))

    def visit_TimestampAdd(self, _op: ops.Value, *, left: Any, right: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Add an interval, written as a number: Ibis writes it as text."""
        return self.f.timestampadd(right.unit, _number(right), left)

    def visit_TimestampSub(self, _op: ops.Value, *, left: Any, right: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Subtract an interval, as above."""
        return self.f.timestampadd(right.unit, sge.Neg(this=_number(right)), left)

    def visit_Cast(self, op: ops.Cast, *, arg: Any, to: dt.DataType) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Read text as JSON: a cast to VARIANT, as Ibis writes it,
        makes a text inside of a VARIANT.
        """
        is_parsed = to.is_json() and op.arg.dtype.is_string()
        return self.f.try_parse_json(arg) if is_parsed else super().visit_Cast(op, arg=arg, to=to)

    def visit_RegexSearch(self, _op: ops.Value, *, arg: Any, pattern: Any) -> Any:  # noqa: ANN401, N802 (as Ibis has it)
        """Search for a pattern: REGEXP_LIKE takes whole texts, and what Ibis puts around
        the pattern would belong to its first and its last alternative only.
        """
        anywhere = self.f.concat(".*(", pattern, ").*")
        return sge.RegexpLike(this=arg, expression=anywhere, flag=sge.convert("cs"))

    visit_DateAdd, visit_DateSub = visit_TimestampAdd, visit_TimestampSub  # noqa: N815 (as Ibis has it)


def _number(interval: sge.Interval) -> sge.Expression:
    return (
        sge.Literal.number(interval.name)
        if interval.this.is_string
        else sge.Paren(this=interval.this)
    )


class PlainBackend(KeepsStatements, Backend):  # type: ignore[misc]  # Ibis ships no types
    """Ibis' view of a connection, with errors as sentences.

    `failure` is the one that broke a stream of batches off: who reads the stream may see it in his
    own words only.
    """

    compiler = PortableSnowflakeCompiler()
    date_function = "DATE_FROM_PARTS"
    location: SnowflakeAddress
    failure: WarehouseError | None = None

    @classmethod
    def on_connection(cls, connection: SnowflakeConnection, location: SnowflakeAddress) -> Self:
        """Take an open connection."""
        backend: Self = cls.from_connection(connection, create_object_udfs=False)
        backend.location = location
        return backend

    def raw_sql(self, query: Any, **kwargs: Any) -> SnowflakeCursor:  # noqa: ANN401 (as Ibis has it)
        """Run a statement."""
        with plain_errors(self.location):
            cursor: SnowflakeCursor = super().raw_sql(query, **kwargs)
            return cursor

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        """Load rows into a temporary table by its own stage:
        Ibis would let Snowflake infer their types again.
        """
        loaded = f"ROWS_{uuid.uuid4().hex.upper()}"
        kinds = {
            column: self.compiler.type_mapper.to_string(kind) for column, kind in op.schema.items()
        }
        columns = ", ".join(f"{ident(column)} {kind}" for column, kind in kinds.items())
        self.raw_sql(f"CREATE TEMPORARY TABLE {loaded} ({columns})").close()
        rows = op.data.to_pyarrow(schema=op.schema)
        if len(rows):
            with TemporaryDirectory(prefix="ecom-") as local:
                file = Path(local) / "rows.parquet"
                pq.write_table(rows, file)
                self.raw_sql(
                    f"PUT 'file://{file.as_posix()}' @%{loaded} AUTO_COMPRESS = FALSE"
                ).close()
            self.raw_sql(COPY.format(table=loaded, stage=f"@%{loaded}")).close()
        self.raw_sql(f"ALTER TABLE {loaded} RENAME TO {ident(op.name)}").close()

    def _make_batch_iter(
        self,
        sql: str,
        *,
        target_schema: pa.Schema,
        **kwargs: Any,  # noqa: ANN401 (as Ibis has it)
    ) -> Iterator[pa.RecordBatch]:
        self.failure = None
        try:
            with plain_errors(self.location):
                # Ibis would refuse nulls where it expects none.
                yield from super()._make_batch_iter(
                    sql, target_schema=with_nulls(target_schema), **kwargs
                )
        except WarehouseError as error:
            self.failure = error
            raise


class SnowflakeDialect(KeptDialect):
    """Snowflake describes other types than a temporary table was made of,
    such as timestamps of nine digits.
    """

    def stored(self, con: SQLBackend, name: str, rows: ir.Table) -> ir.Table:
        """Return a temporary table with the rows, in their own types."""
        made = con.create_table(name, rows, temp=True).op()
        result: ir.Table = made.copy(schema=rows.schema()).to_expr()
        return result


DIALECTS[Backend.name] = SnowflakeDialect()


class SnowflakeEngine(Engine):
    """A Snowflake database; tables lie in schemas named as the layers."""

    con: PlainBackend

    def __init__(self, settings: Settings) -> None:
        """Read the address.

        Raises:
            SettingError: It is incomplete.
        """
        self.location = SnowflakeAddress.parse(settings.warehouse_url, settings, "ECOM_WAREHOUSE")
        super().__init__(self.location.shown)
        self._keeps_statements = settings.cache == "on"
        self._connection = contextlib.ExitStack()
        self._account: Account = self.location.resource()

    def connect_through(self, service: Account) -> Self:
        """Log in through the resource `snowflake`, or its replacement in a test."""
        self._account = service
        return self

    def dataset_names(self) -> DatasetNames:
        """Return how OpenLineage names the tables: after the database."""
        parts = urlsplit(self.address)
        return DatasetNames(
            f"snowflake://{parts.hostname}", f"{parts.path.strip('/').partition('/')[0]}."
        )

    def open(self) -> Self:
        """Connect.

        Raises:
            WarehouseError: The account cannot be reached, or refuses the user.
        """
        TABLE_STATEMENTS.keep_statements(is_on=self._keeps_statements)
        self.con = self._connected()
        return self

    def _connected(self) -> PlainBackend:
        connection = self._connection.enter_context(self.location.connected(self._account))
        return PlainBackend.on_connection(connection, self.location)

    def close(self) -> None:
        """Give the connection back."""
        with contextlib.suppress(WarehouseError), plain_errors(self.location):
            self._connection.close()

    def reconnect(self) -> None:
        """Open a lost connection again; tables that were handed out use it from then on."""
        self.close()
        self.con.con = self._connected().con

    def table(self, contract: Contract) -> ir.Table:
        """Return the whole table, lazily, with the names of its contract."""
        self.ensure(contract)
        return self.table_of(contract, schema_of(contract))

    def table_of(self, contract: Contract, columns: ibis.Schema) -> ir.Table:
        """Return a table whose stored columns are known, lazily, by lower-case name."""
        stored = ibis.schema({name.upper(): kind for name, kind in columns.items()})
        namespace = ops.Namespace(catalog=self.location.database, database=contract.layer.upper())
        table = ops.DatabaseTable(
            contract.name.upper(), schema=stored, source=self.con, namespace=namespace
        ).to_expr()
        return table.rename({name: name.upper() for name in columns})

    def put_in_place(self, fresh: Contract, contract: Contract) -> None:
        """Replace a table with another one, which takes its name;
        each DDL statement is a transaction of its own.
        """
        self.execute(f"ALTER TABLE {self.name_of(contract)} SWAP WITH {self.name_of(fresh)}")
        self.drop(fresh)
        self._forget(contract)

    def has_named(self, layer: str, name: str) -> bool:
        """Return whether a schema has a table or a view of a name."""
        return bool(
            self.query(
                "SELECT table_name "  # noqa: S608 (names come from contracts)
                f"FROM {self.quoted(self.location.database)}.information_schema.tables "
                f"WHERE table_schema = '{layer.upper()}' AND table_name = '{name.upper()}'"
            )
        )

    def found_schema(self, contract: Contract) -> ibis.Schema | None:
        """Return the stored columns of the table; None if there is no such table yet."""
        return self.stored_schema(contract) if self.has(contract) else None

    def stored_schema(self, contract: Contract) -> ibis.Schema:
        """Return the columns that the table has, by lower-case name;
        instants whatever their digits.
        """
        result = self.con.get_schema(
            contract.name.upper(), catalog=self.location.database, database=contract.layer.upper()
        )
        return _as_contracts_have(result)

    def read_columns(self) -> list[Row]:
        """Return the stored columns of all tables and views, and of the tables of locks.

        A schema that is created becomes the session's, in which temporary tables are made.
        """
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {self.quoted(LOCKS)}")
        schemas = ", ".join(text(layer.upper()) for layer in (*LAYERS, LOCKS))
        rows = self.query(
            "SELECT table_schema || '.' || table_name AS table_name, column_name, is_nullable, "  # noqa: S608 (names of layers)
            "data_type, numeric_precision, numeric_scale FROM "
            f"{self.quoted(self.location.database)}.information_schema.columns "
            f"WHERE table_schema IN ({schemas}) ORDER BY table_schema, table_name, ordinal_position"
        )
        return [
            {
                "table_name": row["table_name"].lower(),
                "column_name": row["column_name"].lower(),
                "is_nullable": row["is_nullable"] == "YES",
                "data_type": f"NUMBER({row['numeric_precision']}, {row['numeric_scale']})"
                if row["data_type"] == "NUMBER"
                else row["data_type"],
            }
            for row in rows
        ]

    def schema_from(self, columns: Iterable[NamedValues]) -> ibis.Schema:
        """Return the columns of a table of `read_columns`."""
        return _as_contracts_have(super().schema_from(columns))

    def is_ready(self, contract: Contract) -> bool:
        """Return whether the table, its lock and its view are known to be as its contract says."""
        if contract.qualified_name() in self._ready:
            return True
        columns_by_table = self.found_columns()
        lock = f"{LOCKS}.{contract.layer}_{contract.name}".lower()
        view = columns_by_table.get(f"{contract.layer}.{VARIANT_VIEW.format(contract.name)}", ())
        in_view = {row["column_name"] for row in view}
        has_view = in_view == contract.columns.keys() or JSON_COLUMN not in contract.columns
        return lock in columns_by_table and has_view and super().is_ready(contract)

    def ensure(self, contract: Contract) -> None:
        """Create the table or add its new columns; its lock and its view with them."""
        if not self.is_ready(contract):
            for statement in self.lock_statements(contract):
                self.execute(statement)
            super().ensure(contract)
            for statement in self.view_statements(contract):
                self.execute(statement)

    def lock_statements(self, contract: Contract) -> list[str]:
        """Return the statements that create the table whose only row a writer updates first."""
        return [
            f"CREATE SCHEMA IF NOT EXISTS {self.quoted(LOCKS)}",
            (
                f"CREATE TABLE IF NOT EXISTS {self._lock_of(contract)} AS SELECT SYSDATE() AS "
                "WRITTEN_AT"
            ),
        ]

    def view_statements(self, contract: Contract) -> list[str]:
        """Return the statement that creates the view in which JSON text is a VARIANT,
        where the table has such text.
        """
        if JSON_COLUMN not in contract.columns:
            return []
        columns = [
            f"TRY_PARSE_JSON({self.quoted(name)}) AS {self.quoted(name)}"
            if name == JSON_COLUMN
            else self.quoted(name)
            for name in contract.columns
        ]
        view = f"{self.quoted(contract.layer)}.{self.quoted(VARIANT_VIEW.format(contract.name))}"
        return [
            (
                f"CREATE OR REPLACE VIEW {view} AS SELECT {', '.join(columns)} FROM "  # noqa: S608 (names come from contracts)
                f"{self.name_of(contract)}"
            )
        ]

    def ddl(self, contract: Contract) -> list[str]:
        """Return all statements that create a table, for people who create tables by hand."""
        schema = f"CREATE SCHEMA IF NOT EXISTS {self.quoted(contract.layer)}"
        create = [schema, *self.create_statements(contract), *self.view_statements(contract)]
        return [*create, *self.views_of(contract).values(), *self.lock_statements(contract)]

    def create_statements(self, contract: Contract) -> list[str]:
        """Return the statement that creates the table, clustered by its day."""
        by_day = f"\nCLUSTER BY ({self.quoted(contract.day_column)})" if contract.day_column else ""
        columns = self.column_definitions(contract)
        return [f"CREATE TABLE IF NOT EXISTS {self.name_of(contract)} (\n  {columns}\n){by_day}"]

    def purge(self, _contracts: Iterable[Contract]) -> str:
        """Do nothing: only time removes rows from Snowflake's own history."""
        return (
            f"{self.address}: Snowflake keeps deleted rows in Time Travel "
            "(DATA_RETENTION_TIME_IN_DAYS), then 7 days in Fail-safe, and ids in the query "
            "history for a year."
        )

    def begin_slice(self, contract: Contract) -> None:
        """Wait for other writers of the table: a DELETE that finds no rows would not."""
        self.execute(f"UPDATE {self._lock_of(contract)} SET WRITTEN_AT = SYSDATE()")  # noqa: S608 (names come from contracts)

    def execute(self, sql: str) -> None:
        """Run a statement and discard its result."""
        with self._ran(sql):
            return

    def query(self, sql: str) -> list[Row]:
        """Run a small query and return its rows by lower-case column name."""
        with self._ran(sql) as cursor:
            names = [column.name.lower() for column in cursor.description]
            return named_rows(names, cursor.fetchall())

    def insert(self, sql: str) -> int:
        """Run an INSERT and return how many rows it added."""
        with self._ran(sql) as cursor:
            return cursor.rowcount or 0

    def take_in(self, contract: Contract, batches: pa.RecordBatchReader) -> int:
        """Add rows from outside: Parquet files in the table's own stage, then COPY.

        Neither PUT nor COPY ends the transaction, as creating a stage would.
        """
        folder = f"@{contract.layer}.%{contract.name}/{uuid.uuid4().hex}"
        count = 0
        with TemporaryDirectory(prefix="ecom-") as local:
            for number, batch in enumerate(batches):
                file = Path(local) / f"{number}.parquet"
                pq.write_table(pa.Table.from_batches([batch]), file)
                self.execute(f"PUT 'file://{file.as_posix()}' {folder} AUTO_COMPRESS = FALSE")
                file.unlink()
                count += batch.num_rows
        if count:
            self.execute(COPY.format(table=self.name_of(contract), stage=folder))
        return count

    def quoted(self, name: str) -> str:
        """Return a name as people find it without quotes: in upper case."""
        return ident(name.upper())

    def type_of(self, kind: dt.DataType) -> str:
        """Return how a column of a contract is stored."""
        return TYPES[kind]

    def _lock_of(self, contract: Contract) -> str:
        return f"{self.quoted(LOCKS)}.{self.quoted(f'{contract.layer}_{contract.name}')}"

    @contextlib.contextmanager
    def _ran(self, sql: str) -> Iterator[SnowflakeCursor]:
        with plain_errors(self.location), contextlib.closing(self.con.con.cursor()) as cursor:
            cursor.execute(sql)
            yield cursor


def _as_contracts_have(columns: ibis.Schema) -> ibis.Schema:
    """Return columns by lower-case name; instants whatever their digits."""
    return ibis.schema(
        {
            name.lower(): dt.Timestamp(scale=6) if kind.is_timestamp() else kind
            for name, kind in columns.items()
        }
    )

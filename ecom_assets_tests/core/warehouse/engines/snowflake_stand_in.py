"""The program that stands in for Snowflake: fakesnow's server, with the service's errors,
and faults on demand.

Run by the interpreter of `.venv-snowflake`, never imported by tests: it needs versions of duckdb
and sqlglot that Ibis cannot have. Its only argument is the port.

`POST /stand-in/faults` with `{"match": REGEX, "errno": N, "sqlstate": S, "message": M, "times": N}`
makes the next statements that match fail so, before they run; with `"gone": true` they break the
connection, and their session is forgotten. `match: "LOGIN"` makes a login fail.
"""

import importlib
import re
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import duckdb
import fakesnow.arrow
import fakesnow.transforms
import pyarrow as pa
import uvicorn
from fakesnow.conn import FakeSnowflakeConnection
from fakesnow.cursor import FakeSnowflakeCursor
from snowflake.connector.errors import Error as SnowflakeError
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ERRORS = (
    (duckdb.ConstraintException, 100072, "22000"),
    (duckdb.TransactionException, 625, "57014"),
    (duckdb.Error, 100183, "22000"),
)
"""What the service would say; fakesnow answers these with HTTP 500,
which the connector tries again for minutes.
"""


ENDS = ("COMMIT", "ROLLBACK")
LOCK_PATIENCE_S = 20.0
"""How long a writer waits for another."""


@dataclass
class Faults:
    """What is to go wrong."""

    planned: list[dict[str, Any]] = field(default_factory=list)
    gone: list[FakeSnowflakeConnection] = field(default_factory=list)

    def of(self, text: str) -> dict[str, Any] | None:
        """Return the fault that a statement meets, if any."""
        for fault in self.planned:
            if fault["times"] and re.search(fault["match"], text, re.IGNORECASE):
                fault["times"] -= 1
                return fault
        return None


server: Any = importlib.import_module(
    "fakesnow.server"
)  # the package has a function of that name too
faults = Faults()
cursors: Any = importlib.import_module("fakesnow.cursor")
run_statement = FakeSnowflakeCursor.execute
transform: Any = FakeSnowflakeCursor._transform  # noqa: SLF001 (it has no other place to be mended)
check_db_and_schema = FakeSnowflakeCursor.check_db_and_schema
parse: Any = cursors.parse_one
copying: Any = importlib.import_module("fakesnow.copy_into")  # as above
describe_table = copying._describe_table  # noqa: SLF001 (it has no other place to be mended)
to_struct = fakesnow.arrow.timestamp_to_sf_struct


FLAGS = re.IGNORECASE | re.DOTALL
ROWS = re.compile(r"\s*(INSERT|SELECT|WITH|DELETE)\b(?!.*(INFORMATION_SCHEMA|RESULT_SCAN))", FLAGS)
LITERALS = re.compile(
    r"(?<=')(?P<time>\d{4}-\d\d-\d\d(?:[ T][\d:.]+)?)(?=')"
    r"|(?<=')[0-9a-f]{32}(?=')|(?<=')[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=')"
    r"|(?<=DATE_FROM_PARTS\()(?P<day>\d+, \d+, \d+)(?=\))"
)
"""What statements of one table differ in: times, days, and the ids of runs and writes."""
MOST_LITERALS = 900


def marked(command: str) -> tuple[str, dict[str, str]]:
    """Return a statement with a mark in place of each literal, and the literals by their marks.

    A mark is a literal of the same form, of a year that no test has.
    """
    marks: dict[str, str] = {}

    def mark(found: re.Match[str]) -> str:
        year = 8000 + len(marks)
        if found["time"]:
            form = f"{year}-01-01{re.sub('[0-9]', '0', found['time'][10:])}"
        elif found["day"]:
            form = f"{year}, 1, 1"
        else:
            form = f"{year}{re.sub('[0-9a-f]', 'e', found[0][4:])}"
        return marks.setdefault(found[0], form)

    template = LITERALS.sub(mark, command)
    return template, {mark: literal for literal, mark in marks.items()}


class WrittenStatement:
    """A statement as DuckDB takes it, of whose parts nothing is known."""

    written = ""

    def sql(self, *_args: Any, **_options: Any) -> str:
        """Return its text."""
        return self.written


@dataclass
class KeptStatements:
    """Statements of rows as fakesnow writes them for DuckDB, by their text with marks.

    It parses each three times and walks through it 80 times, two thirds of the time of the tests on
    Snowflake; those of a table differ in literals only.
    """

    texts: dict[str, tuple[type[exp.Expression], str] | None] = field(default_factory=dict)

    def learn(self, cursor: FakeSnowflakeCursor, command: str) -> None:
        """Keep what a statement of rows becomes, if its literals stay what they are.

        What cannot be parsed says so when it is run.
        """
        template, literals = marked(command)
        if not ROWS.match(command) or template in self.texts or len(literals) > MOST_LITERALS:
            return
        self.texts[template] = None
        try:
            statement = parse(template)
            cursor.check_db_and_schema(statement)
            written = transform(cursor, statement, None)
            text = written.sql(dialect="duckdb")
        except SnowflakeError:
            return
        if all(mark in text for mark in literals) and type(written) in WRITTEN:
            self.texts[template] = (WRITTEN[type(written)], text)

    def parsed(self, command: str) -> exp.Expression:
        """Return a statement that is kept, as it is written; another one parsed."""
        template, literals = marked(command)
        kind, text = self.texts.get(template) or (None, "")
        if kind is None:
            parsed: exp.Expression = parse(command)
            return parsed
        marks = re.compile("|".join(map(re.escape, literals)) or r"(?!)")
        statement: exp.Expression = kind()
        statement.written = marks.sub(lambda mark: literals[mark[0]], text)  # type: ignore[attr-defined]  # of `WrittenStatement`
        return statement


WRITTEN = {
    kind: type(kind.__name__, (WrittenStatement, kind), {})
    for kind in (exp.Insert, exp.Select, exp.Union, exp.Delete, exp.Describe)
}
KEPT = KeptStatements()
# A client counts the rows that were written by what the statement is said to be.
TYPE_IDS: Any = importlib.import_module("fakesnow.statement_type")._EXPRESSION_TYPES  # noqa: SLF001 (as above)
TYPE_IDS.update({own: TYPE_IDS[kind] for kind, own in WRITTEN.items() if kind in TYPE_IDS})


def check_schema(cursor: FakeSnowflakeCursor, statement: exp.Expr) -> None:
    """Check that tables can be found; those of a kept statement could."""
    if not isinstance(statement, WrittenStatement):
        check_db_and_schema(cursor, statement)


def transform_unless_kept(
    cursor: FakeSnowflakeCursor, statement: exp.Expression, params: Any
) -> exp.Expression:
    """Return a statement for DuckDB."""
    if isinstance(statement, WrittenStatement):
        return statement
    result: exp.Expression = transform(cursor, statement, params)
    return result


def described_result(cursor: FakeSnowflakeCursor) -> list[Any]:
    """Return the columns of the last result; fakesnow parses its statement for that."""
    with cursor._conn.cursor() as other:  # noqa: SLF001 (fakesnow's own way)
        describe: Any = WRITTEN[exp.Describe]()
        describe.written = f"DESCRIBE {cursor._last_sql}"  # noqa: SLF001 (as above)
        other._execute(describe, cursor._last_params)  # noqa: SLF001 (as above)
        result: list[Any] = other.fetchall()
        return result


def execute(
    self: FakeSnowflakeCursor, command: str, *args: Any, **kwargs: Any
) -> FakeSnowflakeCursor:
    """Run a statement, with the service's errors."""
    if kwargs.get("server") and (fault := faults.of(command)):
        if fault.get("gone"):
            faults.gone.append(self._conn)
            run_statement(
                self, "ROLLBACK"
            )  # as the service does with the session of a lost connection
        raise ProgrammingError(
            msg=fault["message"], errno=fault["errno"], sqlstate=fault["sqlstate"]
        )
    try:
        for statement in bridged(command):
            KEPT.learn(self, statement)
            run_in_turn(self, statement, *args, **kwargs)
    except duckdb.Error as error:
        errno, sqlstate = next(
            (number, state) for kind, number, state in ERRORS if isinstance(error, kind)
        )
        raise ProgrammingError(
            msg=str(error).splitlines()[0], errno=errno, sqlstate=sqlstate
        ) from error
    except Exception as error:
        if isinstance(error, SnowflakeError):
            raise
        # What the stand-in itself cannot, such as a function that it does not know.
        result = f"{type(error).__name__} in the stand-in: {str(error)[:500]}"
        raise ProgrammingError(msg=result, errno=100183, sqlstate="22000") from error
    return self


def described(table: Any, con: Any, *where: str | None) -> list[tuple[str, str]]:
    """Return the columns of a table that rows are copied into, which fakesnow does
    not find if it is temporary.
    """
    try:
        columns: list[tuple[str, str]] = describe_table(table, con, *where)
    except duckdb.CatalogException:
        return [
            (name, kind)
            for name, kind, *_ in con.execute(f'DESCRIBE temp."{table.name}"').fetchall()
        ]
    return columns


def run_in_turn(cursor: FakeSnowflakeCursor, statement: str, *args: Any, **kwargs: Any) -> None:
    """Run a statement; one that meets another's lock before its transaction has done anything
    waits, as in the service.

    DuckDB refuses it at once, and the transaction with it.
    """
    began = statement == "BEGIN"
    waits = getattr(cursor._conn, "has_just_begun", True)  # noqa: SLF001 (fakesnow's connection)
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            run_statement(cursor, statement, *args, **kwargs)
        except duckdb.TransactionException:
            if not waits or time.monotonic() > deadline:
                raise
            run_statement(cursor, "ROLLBACK")
            time.sleep(0.01)
            if getattr(cursor._conn, "is_in_transaction", False):  # noqa: SLF001 (as above)
                run_statement(cursor, "BEGIN")
        else:
            break
    in_transaction = began or (
        getattr(cursor._conn, "is_in_transaction", False) and statement not in ENDS  # noqa: SLF001 (as above)
    )
    cursor._conn.is_in_transaction = in_transaction  # noqa: SLF001 (as above)
    cursor._conn.has_just_begun = began or not in_transaction  # noqa: SLF001 (as above)


def bridged(command: str) -> list[str]:
    """Return statements that fakesnow has for one that it lacks: exchanging two tables."""
    actual = re.fullmatch(r'ALTER TABLE (".+")\.(".+") SWAP WITH ".+"\.(".+")', command)
    if actual is None:
        return [command]
    schema, left, right = actual.groups()
    renames = [(left, '"SWAPPED"'), (right, left), ('"SWAPPED"', right)]
    return [f"ALTER TABLE {schema}.{old} RENAME TO {schema}.{new}" for old, new in renames]


def timestamps(values: pa.ChunkedArray) -> pa.StructArray:
    """Return timestamps as the service sends them; fakesnow sends the missing ones as 1970."""
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    sent = to_struct(values.fill_null(0))
    return pa.StructArray.from_arrays(sent.flatten(), fields=list(sent.type), mask=values.is_null())


async def plan_fault(request: Request) -> Response:
    """Take an order for a fault."""
    faults.planned.append(
        {"errno": 1, "sqlstate": "00000", "message": "", "times": 1} | await request.json()
    )
    return Response()


async def login(request: Request) -> Response:
    """Log in, or refuse to, as the service does."""
    if fault := faults.of("LOGIN"):
        return JSONResponse(
            {"data": {}, "code": str(fault["errno"]), "message": fault["message"], "success": False}
        )
    answer: Response = await server.login_request(request)
    return answer


class BreaksOff:
    """The server, with connections that break off: an answer is begun, and never ends."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer, or not."""
        sent: list[dict[str, Any]] = []

        async def hold(message: dict[str, Any]) -> None:  # the server calls it and waits
            sent.append(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, hold)
        token = dict(scope["headers"]).get(b"authorization", b"").decode()[17:-1]
        session = server.sessions.get(token)
        if any(session is gone for gone in faults.gone):
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"content-length", b"1000")],
                }
            )
            raise ConnectionAbortedError
        for message in sent:
            await send(message)


def main(port: int) -> None:
    """Serve until the process is ended."""
    sys.setrecursionlimit(
        20_000
    )  # it walks through statements once per bracket, and long ones have hundreds
    FakeSnowflakeCursor.execute = execute
    FakeSnowflakeCursor.check_db_and_schema = check_schema
    FakeSnowflakeCursor._transform = transform_unless_kept  # noqa: SLF001 (as above)
    FakeSnowflakeCursor._describe_last_sql = described_result  # noqa: SLF001 (as above)
    cursors.parse_one = server.parse_one = KEPT.parsed
    fakesnow.arrow.timestamp_to_sf_struct = timestamps
    # It adds up as doubles whatever is not a column, for texts that are added up; the service keeps
    # decimals.
    fakesnow.transforms.numeric_agg_implicit_cast = lambda expression: expression
    copying._describe_table = described  # noqa: SLF001 (as above)
    # The connector sets session parameters that the stand-in does not know.
    server.shared_fs.nop_regexes = ["^ALTER SESSION"]
    app = server.app
    app.router.routes.insert(0, Route("/session/v1/login-request", login, methods=["POST"]))
    app.router.routes.insert(0, Route("/stand-in/faults", plan_fault, methods=["POST"]))
    uvicorn.run(BreaksOff(app), host="127.0.0.1", port=port, log_level="critical")


if __name__ == "__main__":
    main(int(sys.argv[1]))

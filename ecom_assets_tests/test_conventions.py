"""Rules that the code keeps, as tests: docstrings, who may import what,
who may read the environment.
"""

import ast
import io
import re
import tokenize
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from ecom_assets.core.errors import first_line
from ecom_assets.orchestration import registry
from ecom_assets_tests.each import each

pytestmark = pytest.mark.xdist_group("conventions")  # each file is parsed once
ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ecom_assets"
SOURCES = [*sorted(PACKAGE.rglob("*.py")), *sorted((ROOT / "ecom_sandbox").rglob("*.py"))]
ALL = [
    *SOURCES,
    *sorted((ROOT / "ecom_assets_tests").rglob("*.py")),
    *sorted((ROOT / "benchmarks").rglob("*.py")),
]
RENEWING = sorted((ROOT / "renew").glob("*.py"))
SUBJECTS = [name for name in registry.SUBJECTS if name != "ecom_assets.outputs.delivery"]
WIRED = {"assets.py", "checks.py", "queries.py", "__init__.py"}
TOUCHES_ENGINES = {
    # sees days of raw events being replaced, and notes what they change
    "ecom_assets/behaviour/events/late_rows.py",
    # keeps since when a day is held, and who released it
    "ecom_assets/commerce/orders/held_days.py",
    # asks the open warehouse which days of each source are known
    "ecom_assets/commerce/sales/source_days.py",
    "ecom_assets/commerce/reconciliation/restatements.py",  # sees slices being replaced
    "ecom_assets/behaviour/funnels/kernel/counts.py",  # the fast way on DuckDB
    "ecom_assets/behaviour/funnels/kernel/lists.py",
    "ecom_assets/behaviour/funnels/kernel/passes.py",
}
PURE = [
    path
    for subject in SUBJECTS
    for path in sorted((ROOT / subject.replace(".", "/")).rglob("*.py"))
    if path.name not in WIRED and path.relative_to(ROOT).as_posix() not in TOUCHES_ENGINES
]
DOCSTRING = re.compile(r'(?:\s*(?:#.*)?\n)*r?"""(?!\s*""")')
"""How a file with a docstring begins; to parse the files of all tests takes five seconds."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all parts of a file's tree, which most rules look through."""
    return tuple(ast.walk(tree(path)))


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever in it."""
    actual: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            actual |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            actual.add(node.module)
    return actual


def functions(path: Path) -> list[Function]:
    return [node for node in nodes(path) if isinstance(node, Function)]


def test_a_file_says_first_what_lives_there() -> None:
    silent = [path for path in ALL if not DOCSTRING.match(path.read_text(encoding="utf-8"))]
    assert list(map(name_of, silent)) == []


def test_a_class_name_is_used_once() -> None:
    names = Counter(
        node.name.lstrip("_")
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == [], (
        "put the subject in front of the name"
    )


def test_what_is_public_says_what_it_does() -> None:
    silent = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in SOURCES
        for scope in nodes(path)
        if isinstance(scope, ast.Module | ast.ClassDef)
        and not getattr(scope, "name", "").startswith("_")
        for node in scope.body
        if isinstance(node, Function | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_the_pure_files_of_a_subject_know_nothing_of_dagster_engines_files_or_settings() -> None:
    forbidden = (
        "dagster",
        "duckdb",
        "os",
        "pathlib",
        "ecom_assets.core.settings",
        "ecom_assets.core.warehouse",
        "ecom_assets.ingestion.sources",
        "ecom_assets.core.clock",
        "ecom_assets.core.tables.asset",
        "ecom_assets.core.tables.check",
    )
    assert len(PURE) > 40
    for path in PURE:
        crossing = [name for name in imports(path) if name.startswith(forbidden)]
        assert crossing == [], (
            f"{name_of(path)} imports {crossing}: it is a pure function of tables"
        )


SENDS = re.compile(
    r"requests(\.(?!exceptions|Request\b|PreparedRequest|Response)|$)|urllib\.request|urllib3(?!\.exc)"
    r"|http\.client|_?http(x2?|lib2?)\b|aiohttp|smtplib|requests_cache|pycurl|websockets?\b"
    r"|jwt\.PyJWKClient|dlt\.sources\.helpers\.rest_client\.RESTClient|.*_httpx_compat"
    r"|openlineage\.client\.transport|opentelemetry\.exporter|confluent_kafka\.schema_registry$"
)
"""What sends requests to others, by the name that is imported."""
SENT_WITHIN_BOUNDS = {
    "ecom_assets/core/http/retry.py": "has the bounds",
    "ecom_assets/core/http/session.py": "mounts them, with retries",
    "ecom_assets/core/http/response_cache.py": "is sent by that session",
    "ecom_assets/ingestion/sources/extraction/rest_client.py": "sends by that session",
    "ecom_assets/ingestion/stream/decoding.py": "gives the client a bounded transport",
    "ecom_assets/interfaces/api/mcp/server.py": "asks the API in its own process",
    "ecom_assets/interfaces/api/middleware/tracing.py": "gives the exporter a bounded session",
    "ecom_assets/interfaces/ui/supervisor.py": "reads the status of its own server, no body",
    "ecom_assets/orchestration/automation/mail.py": "bounds the session of a mail server",
    "ecom_assets/orchestration/automation/openlineage.py": "gives the client a bounded session",
}
"""The files that may import it, and why; `core/test_outgoing_bounds.py` tries them."""


def test_requests_to_others_are_sent_within_bounds() -> None:
    sending = {
        name_of(path): names
        for path in sorted(PACKAGE.rglob("*.py"))
        if (names := sorted(name for name in imported_names(path) if SENDS.match(name)))
    }
    around = {path: names for path, names in sending.items() if path not in SENT_WITHIN_BOUNDS}
    assert around == {}, "send by `bounded_session` of ecom_assets/core/http/retry.py"
    assert {*SENT_WITHIN_BOUNDS} == {*sending}


def imported_names(path: Path) -> set[str]:
    """Return the names that a file imports, with their modules."""
    names = imports(path)
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
            names -= {node.module} if node.module == "requests" else set()
    return names


def test_private_names_of_dagster_and_ibis_are_imported_in_two_files_at_most() -> None:
    private = {
        name_of(path): names
        for path in SOURCES
        if (
            names := [
                name
                for name in imports(path)
                if re.match(r"(dagster|ibis)\w*\..*\b_|dagster_shared", f"{name}.")
            ]
        )
    }
    assert len(private) <= 2, f"{private}: use the public name, or import it where the others are"


def test_only_settings_reads_the_environment() -> None:
    for path in SOURCES:
        if path.parent.name == "settings":
            continue
        read = [
            f"{name_of(path)}:{node.lineno}"
            for node in nodes(path)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
            and node.attr in {"environ", "getenv", "environb"}
        ]
        assert read == [], "settings/ is the only reader of the environment"


def test_the_first_line_of_an_error_is_read_in_one_place() -> None:
    assert [
        first_line(error) for error in (ValueError("a.\nb"), ValueError(), ValueError(" \n"))
    ] == [
        "a",
        "ValueError",
        "ValueError",
    ]
    reading = re.compile(r"str\(e\w*\)(?:\.strip\(\))?\.splitlines\(\)\[0\]")
    found = [name_of(path) for path in SOURCES if reading.search(path.read_text(encoding="utf-8"))]
    assert found == [], "an error can have no line: use first_line of errors.py"


RUNS_EXPRESSIONS = (
    "ecom_assets/core/tables/portable.py",
    # what Ibis' own backends do otherwise
    "ecom_assets/core/warehouse/engines/",
)
"""Where Ibis is asked for rows; all others call `rows_of` and the functions around it."""


def runs_an_expression(node: ast.AST) -> bool:
    """Return whether a part of the code asks Ibis for the rows of an expression."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        # cursors are given a statement
        return node.func.attr == "execute" and not (node.args or node.keywords)
    if not isinstance(node, ast.Attribute):
        return False
    of_arrow = (
        isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "arrow_of"
    )
    return node.attr in {"to_pyarrow", "to_pyarrow_batches", "to_pandas_batches", "to_polars"} or (
        node.attr == "to_pandas" and not of_arrow
    )


def test_expressions_are_run_in_one_place() -> None:
    found = [
        f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        for path in SOURCES
        if not name_of(path).startswith(RUNS_EXPRESSIONS)
        for node in nodes(path)
        if runs_an_expression(node)
    ]
    assert found == [], (
        "Ibis takes the least value of no rows for one that is never null, and Postgres' backend "
        "refuses the null: use rows_of, value_of, arrow_of or batches_of of portable.py"
    )


@each(
    "line",
    [
        "rows.to_pyarrow()",
        "con.to_pyarrow(rows).to_pylist()",
        "fetch = ir.Table.to_pyarrow",
        "rows.to_pyarrow_batches(chunk_size=1)",
        "rows.first.min().execute()",
        "rows.to_pandas()",
    ],
)
def test_a_place_that_runs_an_expression_is_found(line: str) -> None:
    assert any(map(runs_an_expression, ast.walk(ast.parse(line))))


def test_pure_files_read_no_clock() -> None:
    for path in PURE:
        calls = {node.attr for node in nodes(path) if isinstance(node, ast.Attribute)} & {
            "now",
            "today",
            "utcnow",
            "time_ns",
            "monotonic",
        }
        assert calls == set(), (
            f"{name_of(path)} reads a clock: the day it is today is the caller's business"
        )


def test_commands_load_nothing_heavy_until_they_run() -> None:
    for path in (PACKAGE / "cli" / f"{name}.py" for name in ("__init__", "app", "options")):
        heavy = {"dagster", "ibis", "duckdb", "pandas", "pyarrow"} & {
            name.split(".")[0] for name in imports(path)
        }
        assert heavy == set(), f"{name_of(path)} makes every command wait for {heavy}"


def test_the_summary_and_the_routes_render_numbers_that_queries_return() -> None:
    counting = {
        "agg",
        "aggregate",
        "group_by",
        "nunique",
        "to_pyarrow",
        "to_pylist",
        "query",
        "execute",
    }
    for path in (
        *(PACKAGE / "cli" / "summary").glob("*.py"),
        *(PACKAGE / "api" / "routes").glob("*.py"),
    ):
        calls = {node.attr for node in nodes(path) if isinstance(node, ast.Attribute)} & counting
        assert calls == set(), (
            f"{name_of(path)} computes; a number is read through its subject's queries.py"
        )


NAMED_FILE = re.compile(
    r"`([\w./-]*\w\.py|(?:ecom_assets|ecom_sandbox|ecom_assets_tests|benchmarks|docs|deploy)/[\w./-]*/)`"
)
"""A Python file, or a folder of the repository, as docstrings, comments and documents name it."""
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]


def prose(path: Path) -> str:
    """Return a document; of a Python file its docstrings and comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py" or not NAMED_FILE.search(text):
        return text if path.suffix != ".py" else ""
    strings = [
        node.value.value
        for node in nodes(path)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join(
        [*strings, *(token.string for token in tokens if token.type == tokenize.COMMENT)]
    )


def exists(name: str) -> bool:
    """Return whether a file or folder is there under the whole name,
    or under the end of its path.
    """
    if name.endswith("/"):
        return (ROOT / name).is_dir()
    return name in ends_of_paths()


@cache
def ends_of_paths() -> set[str]:
    """Return each file's name, with none of its folders to all of them."""
    parts = [name_of(path).split("/") for path in [*ALL, *RENEWING, *(ROOT / "docs").rglob("*.py")]]
    return {"/".join(of_file[n:]) for of_file in parts for n in range(len(of_file))}


def test_files_that_are_named_exist() -> None:
    kept = {"CHANGELOG.md"}  # it names files as they were called then
    stale = [
        f"{name_of(path)}: {name}"
        for path in [*ALL, *DOCUMENTS]
        if path.name not in kept
        for name in NAMED_FILE.findall(prose(path))
        if not exists(name)
    ]
    assert stale == [], "these files are named and do not exist"


def test_a_name_of_a_file_that_is_gone_is_found() -> None:
    assert NAMED_FILE.findall("See `transforms/sessions.py` and `ecom_assets/answers/`.") == [
        "transforms/sessions.py",
        "ecom_assets/answers/",
    ]
    assert not exists("transforms/sessions.py")
    assert not exists("ecom_assets/answers/")
    assert exists("sessions/sessions.py")
    assert exists("ecom_assets/behaviour/sessions/")

"""A command imports the compilers of Ibis that it uses, and all others are still there."""

import json
import subprocess
import sys

from ecom_assets_tests.patience import PATIENCE_S

PROGRAM = """
import json, sys
from ecom_assets.core.ibis_compilers import PACKAGE, import_when_used
import_when_used()
import ibis.backends.duckdb, ibis.backends.sql.compilers as compilers
loaded = [name for name in sys.modules if name.startswith(f"{PACKAGE}.")]
postgres = compilers.postgres.compiler.dialect.__name__  # imported by its name
print(json.dumps({
    "loaded": loaded,
    "postgres": postgres,
    "own": compilers.DuckDBCompiler.__name__,  # imports all, as Ibis does
    "all": sorted(name for name in compilers.__all__ if hasattr(compilers, name)),
    "listed": sorted(compilers.__all__),
    "lacking": hasattr(compilers, "NoSuchCompiler"),
    "finders": [type(finder).__name__ for finder in sys.meta_path],
}))
"""


def test_compilers_are_imported_when_they_are_used() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    said = json.loads(done.stdout)
    engines = {name.rpartition(".")[2] for name in said["loaded"]}
    assert "duckdb" in engines
    assert engines.isdisjoint({"athena", "bigquery", "postgres", "snowflake", "trino"})
    assert (said["postgres"], said["own"]) == ("Postgres", "DuckDBCompiler")
    assert said["all"] == said["listed"]
    assert not said["lacking"]
    assert "_CompilerFinder" not in said["finders"]

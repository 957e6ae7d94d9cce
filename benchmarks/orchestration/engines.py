"""`ecom run` over the sandbox shop with Postgres as the warehouse, beside DuckDB: by the clock,
since a server computes what DuckDB computes in the run itself.

Both are first runs in a home of a user who ran before, so that the statements of tables are kept.
"""

import argparse
from pathlib import Path

from benchmarks.measuring import Spent, ratios, report, run_platform, scratch
from ecom_assets_tests.postgres_server import fresh_database, running_postgres

MOST_TIMES = 1.3
"""How much longer a run may take on Postgres than on DuckDB."""


def both(folder: Path, url: str, settings: dict[str, str]) -> tuple[Spent, Spent]:
    """Return what a run in a new home cost on Postgres, and on DuckDB."""
    on_postgres, _ = run_platform(
        ECOM_HOME=str(folder / "postgres"), ECOM_WAREHOUSE=fresh_database(url), **settings
    )
    on_duckdb, _ = run_platform(ECOM_HOME=str(folder / "duckdb"), **settings)
    return on_postgres, on_duckdb


def main() -> None:
    """Print the ratio by the clock, with its target, and that of the runs' own CPU time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=1)
    repetitions = parser.parse_args().repetitions
    with scratch() as folder, running_postgres(folder / "pg") as url:
        user = {"HOME": str(folder / "user"), "XDG_CACHE_HOME": str(folder / "user" / "cache")}
        both(folder / "first", url, user)
        pairs = [both(folder / str(number), url, user) for number in range(repetitions)]
    for result in ratios("sandbox shop: Postgres ÷ DuckDB", pairs, MOST_TIMES, "duckdb"):
        report(result)


if __name__ == "__main__":
    main()

"""All tables of `ecom run --events` beside the same tables by hand-written SQL, both on DuckDB.

`python -m benchmarks.orchestration.handwritten` runs `ecom run` as a fresh process in a fresh home,
with its checks, Dagster and publication, and `handwritten.sql` as another, which leaves out
`mart.findings` and ends with a copy of the file in place of publishing. Times count only if the
rows of each table are equal. It prints what each table costs on both sides, then the ratios of the
whole.

`--days 10 --visitors 20000` does the same over a smaller shop, `--events FOLDER` over other events
of the simulated shop.
"""

import argparse
import json
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from benchmarks.measuring import (
    Spent,
    ratios,
    report,
    run_platform,
    run_process,
    say,
    scratch,
    script,
)
from benchmarks.same_tables import require_equal
from benchmarks.shop_data import DAYS, VISITORS, made_shop, shop

if TYPE_CHECKING:
    from benchmarks.orchestration.scale import TreeClock

SQL = Path(__file__).with_suffix(".sql")
PART = "-- == "
"""Begins the line that names a part of the statements."""
PUBLICATION = "(publication)"
RATIO = 1.3

Costs = dict[str, float]
"""CPU seconds by table, or by what several tables need, whose name is in brackets."""


def parts() -> Iterator[tuple[str, str]]:
    """Yield the name and the statements of each part of the file."""
    _, *texts = SQL.read_text(encoding="utf-8").split(PART)
    for text in texts:
        name, _, statements = text.partition("\n")
        yield name, statements


def write_tables(events: str, file: Path, lists: str) -> Costs:
    """Run the hand-written statements over landing folders, into a new DuckDB file.

    `lists` is the version of the lists of sites, which tables name.
    """
    spent: Costs = {}
    with duckdb.connect(str(file)) as con:
        for name, statements in parts():
            begun = time.process_time()
            con.execute(statements.replace("{events}", events).replace("{lists}", lists))
            if name in MODELS:
                con.register("modelled", MODELS[name](con))
                con.execute(f"CREATE TABLE {name} AS FROM modelled")
            spent[name] = time.process_time() - begun
        begun = time.process_time()
        con.execute("CHECKPOINT")
    shutil.copyfile(file, file.with_suffix(".published"))
    spent[PUBLICATION] = time.process_time() - begun
    return spent


def _removal_effects(con: duckdb.DuckDBPyConnection) -> pa.Table:
    from ecom_assets.commerce.attribution import credit, markov  # noqa: PLC0415 (part of its cost)

    chains: dict[date, dict[tuple[str, str], int]] = defaultdict(dict)
    for day, here, there, count in con.execute("FROM chain_steps").fetchall():
        chains[day][here, there] = count
    return markov.removal_effect_rows(
        (day, "purchase", markov.removal_effects(steps, credit.UNITS_OF_ONE))
        for day, steps in sorted(chains.items())
    )


def _lifetime_value(con: duckdb.DuckDBPyConnection) -> pa.Table:
    from ecom_assets.commerce.customers import value  # noqa: PLC0415 (loads SciPy)

    histories = con.sql("FROM histories").to_arrow_table()
    return value.lifetime_value(histories, value.ValueModels.fit(histories), value.ValueRule())


MODELS: Mapping[str, Callable[[duckdb.DuckDBPyConnection], pa.Table]] = {
    "mart.channel_removal_effects": _removal_effects,
    "mart.lifetime_value": _lifetime_value,
}
"""Tables whose numbers Python computes, by the same functions on both sides, from what SQL counts.
"""


def by_hand(events: Path, file: Path) -> tuple[Spent, Costs]:
    """Return what the hand-written statements cost as a process, and each of its parts."""
    # What this loads must not count for the process that only runs statements.
    from ecom_assets.ingestion.sources.site_lists import VERSION  # noqa: PLC0415

    command = [*script("orchestration.handwritten"), "--write", str(events), str(file), VERSION]
    spent = run_process(command)
    return spent, json.loads(spent.printed)


def platform(events: Path, home: Path) -> tuple[Spent, Costs, Costs]:
    """Return what `ecom run` cost, writing each table, and checking each."""
    # As above.
    from benchmarks.orchestration.scale import TreeClock  # noqa: PLC0415

    clock = TreeClock(home)
    clock.start()
    spent, summary = run_platform("--events", str(events), ECOM_HOME=str(home))
    clock.end()
    return spent, *_of_steps(home, summary["run_id"], clock)


def _of_steps(home: Path, run_id: str, clock: "TreeClock") -> tuple[Costs, Costs]:
    """Return the CPU seconds of each step of a run that writes a table, and of those that check."""
    import dagster as dg  # noqa: PLC0415 (as above)

    written: Costs = defaultdict(float)
    checked: Costs = defaultdict(float)
    os.environ["DAGSTER_HOME"] = str(home / "dagster")
    with dg.DagsterInstance.get() as instance:
        for step in instance.get_run_step_stats(run_id):
            table, is_check, _ = step.step_key.partition("_checks")
            name = PUBLICATION if table == "serving__marts" else table.replace("__", ".", 1)
            if step.start_time and step.end_time:
                costs = checked if is_check else written
                costs[name] += clock.between(step.start_time, step.end_time)
    return written, checked


def show(hand: Costs, written: Costs, checked: Costs) -> None:
    """Print the CPU seconds of each table, dearest first, and of what is of none."""
    say(f"{'CPU s':34} {'by hand':>8} {'platform':>8} {'checks':>8} {'ratio':>6}")
    for name in sorted({*hand, *written, *checked}, key=lambda name: -written.get(name, 0)):
        own, other = written.get(name, 0), hand.get(name, 0)
        ratio = f"{own / other:6.2f}" if own and other else ""
        say(f"{name:34} {other:8.2f} {own:8.2f} {checked.get(name, 0):8.2f} {ratio}")


def measure(events: Path, name: str, repetitions: int) -> None:
    """Run both in turn, as often as asked for; ratios are medians of pairs."""
    pairs = []
    for repetition in range(repetitions):
        with scratch() as folder:
            hand_spent, hand = by_hand(events, folder / "by_hand.duckdb")
            say(
                f"by hand {hand_spent.wall_s:.1f} s, {hand_spent.cpu_s:.1f} CPU s, "
                f"{hand_spent.peak_mb:.0f} MB"
            )
            ecom_spent, written, checked = platform(events, folder / "home")
            say(
                f"platform {ecom_spent.wall_s:.1f} s, {ecom_spent.cpu_s:.1f} CPU s, "
                f"{ecom_spent.peak_mb:.0f} MB"
            )
            show(hand, written, checked)
            if repetition == 0:
                require_equal(folder / "home" / "warehouse.duckdb", folder / "by_hand.duckdb")
            pairs.append((ecom_spent, hand_spent))
    wall, cpu = ratios(f"handwritten: {name} / hand-written SQL", pairs, None, "by_hand")
    report(wall, replace(cpu, target=RATIO))


def main() -> None:
    """Parse the command line; measure, or be the process that is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=VISITORS, default="full")
    parser.add_argument("--days", type=int, default=DAYS, help="of a shop of other size")
    parser.add_argument("--visitors", type=int, help="visitors of that shop")
    parser.add_argument("--events", type=Path, help="landing folders of the simulated shop")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument(
        "--write", nargs=3, metavar=("EVENTS", "FILE", "LISTS"), help="only write the tables"
    )
    arguments = parser.parse_args()
    if arguments.write:
        events, file, lists = arguments.write
        print(json.dumps(write_tables(events, Path(file), lists)))
    elif arguments.events:
        measure(arguments.events, "all tables", arguments.repetitions)
    elif arguments.visitors:
        events = made_shop(arguments.days, arguments.visitors)
        name = f"all tables of {arguments.days} days of {arguments.visitors:,} visitors"
        measure(events, name, arguments.repetitions)
    else:
        measure(shop(arguments.size), "all tables of events", arguments.repetitions)


if __name__ == "__main__":
    main()

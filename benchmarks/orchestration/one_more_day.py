"""One more day with 10 and with 90 days of history, as the daily schedule asks for it,
in one process.

Each repetition takes fresh copies of two warehouses, in turn, so that other work on the machine
meets both alike. Reported are the whole run's time, the engine's share of it, and what is left per
asset: Dagster, the making of SQL, metadata. Then the day is run three times over a history of
people who sign in: without sign-ins, with some that are late, and with aliases too.
"""

import argparse
import logging
import os
import shutil
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import dagster as dg

from benchmarks.behaviour.identity import LATE_DAYS, land, land_next_day
from benchmarks.core.engine_clock import EngineClock, Seconds
from benchmarks.measuring import Result, report, say, scratch
from benchmarks.shop_data import FIRST_DAY, HISTORY_DAYS, NEXT_DAY, landed
from ecom_assets.cli.platform_run import QUIET
from ecom_assets.core.settings.settings import load_settings, prepare_dagster_home
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.automation.instance.sqlite import patient_history
from ecom_assets.orchestration.automation.jobs import EVERYTHING

ONE_DAY = timedelta(days=1)
HISTORIES = {10: NEXT_DAY - 10 * ONE_DAY, HISTORY_DAYS: FIRST_DAY}
"""Days of history, and the first of them; both end before the same next day."""
RATIO, SHARE, OVERHEAD_S = 1.1, 1 / 20, 0.05
ALIASES = 20
MORE_S = {"late sign-ins": 5.0, f"late sign-ins and {ALIASES} aliases": 10.0}
"""How many seconds more than the same day without sign-ins a day may take."""
DIFFERENCE = 0.5
"""Tolerance of such a difference of two runs, which varies more than each of them."""

Figures = dict[str, float]


def run_days(home: Path, first: date, last: date, **source: str) -> Figures:
    """A run over some days through Dagster, as the schedule starts it: wall,
    CPU and engine seconds, assets.
    """
    os.environ.pop("DAGSTER_HOME", None)
    settings = load_settings(home=home, **source)
    prepare_dagster_home(settings)
    clock = EngineClock(settings)
    begun = Seconds.now()
    definitions = build_definitions(settings, resources={"warehouse": clock.resource()})
    job = definitions.resolve_job_def(EVERYTHING)
    tags = {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}
    with patient_history(), dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance, run_config=QUIET, raise_on_error=True, tags=tags
        )
    spent, engine = Seconds(), clock.engine
    spent.add_since(begun)
    checks = result.get_asset_check_evaluations()
    failed = [
        check
        for check in checks
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    ]
    if failed:
        raise SystemExit(f"Checks failed: {failed}")
    assets = len(result.get_asset_materialization_events())
    times = {
        "wall_s": spent.wall,
        "cpu_s": spent.cpu,
        "engine_wall_s": engine.wall,
        "engine_cpu_s": engine.cpu,
    }
    return {**times, "slices": assets}


def with_history(size: str, days: int, folder: Path) -> tuple[Path, Path, Figures]:
    """A home that holds so many days, the landing folders with the next day in place,
    and what making it cost.
    """
    home, events = folder / f"home_{days}", folder / f"events_{days}"
    landed(size, HISTORIES[days], NEXT_DAY - ONE_DAY, events)
    spent = run_days(home, HISTORIES[days], NEXT_DAY - ONE_DAY, events=str(events))
    landed(size, NEXT_DAY, NEXT_DAY, events)
    say(f"{days} days of history: {_text(spent)}")
    return home, events, spent


def one_more(home: Path, events: Path, first: date, **settings: str) -> Figures:
    """The run over the days up to the next day, on a copy of the home."""
    copied = home.with_name("copy")
    shutil.copytree(home, copied)
    try:
        return run_days(copied, first, NEXT_DAY, events=str(events), **settings)
    finally:
        shutil.rmtree(copied)


def measure(size: str, repetitions: int) -> None:
    """Both histories in turn; figures are medians, ratios are medians of pairs."""
    late_days = load_settings().late_days
    ranges = {"the day": NEXT_DAY, "the schedule's range": NEXT_DAY - late_days * ONE_DAY}
    with scratch() as folder:
        made = {days: with_history(size, days, folder) for days in HISTORIES}
        full = made[HISTORY_DAYS][2]
        for name, first in ranges.items():
            runs: dict[int, list[Figures]] = {days: [] for days in HISTORIES}
            for repetition in range(repetitions + 1):
                for days, (home, events, _) in made.items():
                    spent = one_more(home, events, first)
                    if repetition or not repetitions:  # the first round warms caches
                        runs[days].append(spent)
                        say(f"{name}, after {days} days: {_text(spent)}")
            report(*_results(name, runs[10], runs[HISTORY_DAYS], full))


def measure_identity(count: int, repetitions: int) -> None:
    """The next day after 90, over the events of `identity.py`, without sign-ins and with them, in
    turn.
    """
    plain, (signed_in, aliased) = "no sign-ins", MORE_S
    with scratch() as folder:
        home, events = _with_sign_ins(count, folder)
        days = {name: folder / f"next_{number}" for number, name in enumerate((plain, *MORE_S))}
        land_next_day(count, days[plain], has_sign_ins=False)
        land_next_day(count, days[signed_in])
        land_next_day(count, days[aliased], alias_count=ALIASES)
        runs: dict[str, list[Figures]] = {name: [] for name in days}
        for repetition in range(repetitions + 1):
            for name, landed_day in days.items():
                shutil.rmtree(events / f"received_date={NEXT_DAY}", ignore_errors=True)
                shutil.copytree(landed_day, events, dirs_exist_ok=True)
                spent = one_more(home, events, NEXT_DAY, late_days=str(LATE_DAYS))
                say(f"{name}: {_text(spent)}")
                if repetition or not repetitions:  # the first round makes statements
                    runs[name].append(spent)
    for name, target_s in MORE_S.items():
        for kind, unit, target in (("wall", "s", target_s), ("cpu", "CPU s", None)):
            pairs = zip(runs[plain], runs[name], strict=True)
            more = median(after[f"{kind}_s"] - before[f"{kind}_s"] for before, after in pairs)
            about: dict[str, object] = {**runs[name][-1]}
            title = f"one_more_day with {name}: more than without, {kind}"
            report(Result(title, more, unit, target, about=about, tolerance=DIFFERENCE))


def _with_sign_ins(count: int, folder: Path) -> tuple[Path, Path]:
    """Return a home that holds 90 days of these events, and their landing folders."""
    home, events = folder / "home", folder / "events"
    land(count, events)
    source = {"events": str(events), "late_days": str(LATE_DAYS)}
    spent = run_days(home, FIRST_DAY, NEXT_DAY - ONE_DAY, **source)
    say(f"{HISTORY_DAYS} days: {_text(spent)}")
    return home, events


def _results(
    name: str, after_10: list[Figures], after_90: list[Figures], full: Figures
) -> list[Result]:
    def ratio(of: str) -> float:
        return median(long[of] / short[of] for short, long in zip(after_10, after_90, strict=True))

    spent = {key: round(median(run[key] for run in after_90), 3) for key in after_90[0]}
    table_count = len(
        build_definitions(load_settings()).resolve_asset_graph().materializable_asset_keys
    )
    overhead = {
        kind: median(run[f"{kind}_s"] - run[f"engine_{kind}_s"] for run in after_90) / table_count
        for kind in ("wall", "cpu")
    }
    about: dict[str, object] = {
        **spent,
        "full_wall_s": round(full["wall_s"], 2),
        "full_cpu_s": round(full["cpu_s"], 2),
    }
    share = spent["wall_s"] / full["wall_s"]
    return [
        Result(
            f"one_more_day, {name}: 90 days of history / 10, wall",
            ratio("wall_s"),
            "x",
            RATIO,
            about=about,
        ),
        Result(
            f"one_more_day, {name}: 90 days of history / 10, CPU", ratio("cpu_s"), "x", about=about
        ),
        Result(f"one_more_day, {name}: share of a full recompute", share, "x", SHARE, about=about),
        Result(
            f"one_more_day, {name}: overhead per asset, wall",
            overhead["wall"],
            "s",
            about=about,
        ),
        Result(
            f"one_more_day, {name}: overhead per asset, CPU",
            overhead["cpu"],
            "CPU s",
            OVERHEAD_S,
            about=about,
        ),
    ]


def _text(spent: Figures) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in spent.items())


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=("quick", "full"), default="full")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument(
        "--identity-events", type=int, default=10_000_000, help="events of history for these runs"
    )
    parser.add_argument(
        "--identity-only", action="store_true", help="only measure what sign-ins add"
    )
    arguments = parser.parse_args()
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    if not arguments.identity_only:
        measure(arguments.size, arguments.repetitions)
    measure_identity(arguments.identity_events, arguments.repetitions)


if __name__ == "__main__":
    main()

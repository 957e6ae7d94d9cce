"""Each question that `ecom` answers over a file beside ClickHouse (chDB) with the same question,
as whole processes.

Both read one Parquet file of text ids, amounts and properties, and for `EVERYWHERE` the same events
with integer ids in a folder per day, too; these are also asked as the first question of a file, of
which nothing is kept. Answers are compared first, number by number; then both take turns. The
command also refuses bad rows, looks for surplus copies and finds who is who, which ClickHouse does
not.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.behaviour.question_data import clickhouse_path
from benchmarks.behaviour.questions_clickhouse import CLICKHOUSE, FIVE
from benchmarks.measuring import (
    ECOM,
    Result,
    Spent,
    costs,
    ratios,
    report,
    run_process,
    say,
    scratch,
    script,
)

FIRST, FURTHER = "first question", "further questions"
TARGETS = {FIRST: 2.0, FURTHER: 1.5}
"""Of the questions of `EVERYWHERE`; that of the others is `TARGET`."""
TARGET, TARGET_PROPERTY = 2.0, 2.0
GROUP = "a question over a file of 10 million events / chDB, whole process"
IDS = ("text ids in a file", "integer ids in 90 folders")
HOME = "home"
"""Where the command keeps statements, and what its check of the file said;
nothing is kept where it does not exist.
"""
LOYAL = "loyal:\n  - {did: purchase, at_least: 2, within: 30d}\n  - not: {did: search}\n"
Answer = dict[str, Any]
Rows = list[list[Any]]
Numbers = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """A command, and how its answer and ClickHouse's rows (of each
    statement) become the same numbers.
    """

    command: tuple[str, ...]
    ecom_numbers: Callable[[Answer], Numbers]
    clickhouse_numbers: Callable[[list[Rows]], Numbers]


def _present(values: Mapping[Any, float | None] | Iterable[tuple[Any, float | None]]) -> Numbers:
    return {str(key): round(float(value), 6) for key, value in dict(values).items() if value}


def _line(answer: Answer) -> Numbers:
    (line,) = answer["series"]
    return _present(zip(answer["periods"], line["values"], strict=True)) | _present(
        {"total": line["total"]}
    )


def _days(answers: list[Rows]) -> Numbers:
    """Return a value per day; the row of all days has the day zero."""
    return _present(("total" if day == "1970-01-01" else day, value) for day, value in answers[0])


def _trend(series: str, *more: str) -> Question:
    return Question(("trend", "--series", series, *more), _line, _days)


def _steps(levels: Iterable[tuple[int, int]]) -> Numbers:
    rows = list(levels)
    return _present(
        (step, sum(n for level, n in rows if level >= step)) for step in range(1, len(FIVE) + 1)
    )


def _counts(answer: Answer) -> Numbers:
    return _present((step["step"], step["count"]) for step in answer["steps"])


def _funnel(*more: str) -> Question:
    command = ("funnel", "--steps", ",".join(FIVE), "--within", "7d", *more)
    return Question(
        command, _counts, lambda answers: _steps((int(level), int(n)) for level, n in answers[0])
    )


def _cohorts_of_theirs(answers: list[Rows]) -> Numbers:
    weeks: dict[str, list[tuple[int, int]]] = {}
    for week, level, n in answers[0]:
        weeks.setdefault(week, []).append((int(level), int(n)))
    return {week: steps for week, levels in weeks.items() if (steps := _steps(levels))}


def _times(answer: Answer) -> Numbers:
    times = answer["time_to_convert"]
    bins = {f"bin {n}": bin_["count"] for n, bin_ in enumerate(times["bins"])}
    return _present({"count": times["count"], "average": round(times["average_s"], 3), **bins})


def _times_of_theirs(answers: list[Rows]) -> Numbers:
    ((count, total, *bins, _median),) = answers[0]
    average = round(int(total) / int(count) / 1e6, 3)
    return _present(
        {"count": count, "average": average, **{f"bin {n}": bin_ for n, bin_ in enumerate(bins)}}
    )


def _cells(cohorts: Iterable[Answer]) -> Numbers:
    return {
        cohort["cohort"]: {str(n): count for n, count in enumerate(cohort["returned"]) if count}
        for cohort in cohorts
        if any(cohort["returned"])
    }


def _cells_of_theirs(rows: Iterable[list[Any]]) -> Numbers:
    cohorts: Numbers = {}
    for cohort, n, count in rows:
        cohorts.setdefault(cohort, {})[str(int(n))] = int(count)
    return cohorts


def _parts(answers: list[Rows]) -> Numbers:
    values = {row[1] for row in answers[0]}
    return {
        value: _cells_of_theirs(
            [first, n, count] for first, row_value, n, count in answers[0] if row_value == value
        )
        for value in values
    }


def _paths(answer: Answer) -> Numbers:
    steps = {
        f"{transition['from']} > {transition['to']}": transition["count"]
        for transition in answer["transitions"]
    }
    top = [[path["path"], path["sessions"]] for path in answer["top_paths"]]
    return {
        "sessions": [answer["sessions"], answer["converted_sessions"]],
        "top": top,
        "steps": steps,
    }


def _paths_of_theirs(answers: list[Rows]) -> Numbers:
    _, top, ((sessions, converted),), steps = answers
    counts = {f"{first} > {then}": int(n) for first, then, n in steps}
    return {
        "sessions": [int(sessions), int(converted)],
        "top": [[path, int(n)] for path, n in top],
        "steps": counts,
    }


def _odds(answer: Answer) -> Numbers:
    rows = {
        row["value"]: [row["converted_count"], row["other_count"]] for row in answer["correlations"]
    }
    return {"converted": answer["converted_count"], "others": answer["other_count"], **rows}


def _odds_of_theirs(answers: list[Rows]) -> Numbers:
    *_, ((converted, entered),), rows = answers
    counts = {
        kind: [int(converted_count), int(other_count)]
        for kind, converted_count, other_count in rows
    }
    return {"converted": int(converted), "others": int(entered) - int(converted), **counts}


def _variants(rows: Iterable[tuple[str, int, int, float]]) -> Numbers:
    return {
        variant: [int(units), int(converted), round(float(amount), 2)]
        for variant, units, converted, amount in rows
    }


def _weeks(answer: Answer) -> Numbers:
    return {cohort["start"]: steps for cohort in answer["cohorts"] if (steps := _counts(cohort))}


def _lines(answer: Answer) -> Numbers:
    return {
        series["breakdown"]: _present(zip(answer["periods"], series["values"], strict=True))
        for series in answer["series"]
    }


def _lines_of_theirs(answers: list[Rows]) -> Numbers:
    values = {row[0] for row in answers[0]}
    return {
        value: _present((day, n) for row_value, day, n in answers[0] if row_value == value)
        for value in values
    }


def _units(answer: Answer) -> Numbers:
    names = ("variant", "unit_count", "converted_count", "amount")
    return _variants(tuple(variant[name] for name in names) for variant in answer["variants"])


PURCHASE = ("--steps", "product_view,purchase", "--within", "7d")
BY_CATEGORY = ("retention", "--by", "product_category")
QUESTIONS: dict[str, Question] = {
    "trend, count": _trend("product_view"),
    "trend, unique visitors": _trend("product_view:visitors"),
    "trend, percentile": _trend("add_to_cart:p95(cart_amount)"),
    "trend, breakdown": Question(
        ("trend", "--series", "product_view", "--by", "product_category"), _lines, _lines_of_theirs
    ),
    "trend, where column": _trend("product_view", "--where", "product_category = shoes"),
    "trend, where property": _trend("product_view", "--where", "properties.plan = pro"),
    "funnel": _funnel(),
    "funnel, where column": _funnel("--where", "product_category in shoes, hats"),
    "funnel, where property": _funnel("--where", "properties.plan = pro"),
    "funnel, over weeks": Question(
        (*_funnel().command, "--over", "week"), _weeks, _cohorts_of_theirs
    ),
    "funnel, time to convert": Question(
        ("funnel", *PURCHASE, "--time-to-convert", "1:2", "--bins", "1h,1d"),
        _times,
        _times_of_theirs,
    ),
    "retention, daily": Question(
        ("retention", "--period", "day"),
        lambda answer: _cells(answer["cohorts"]),
        lambda answers: _cells_of_theirs(answers[0]),
    ),
    "retention, by category": Question(
        BY_CATEGORY,
        lambda answer: {part["value"]: _cells(part["cohorts"]) for part in answer["breakdown"]},
        _parts,
    ),
    "journeys": Question(("journeys",), _paths, _paths_of_theirs),
    "correlation": Question(("correlation", *PURCHASE), _odds, _odds_of_theirs),
    "experiment": Question(
        (
            "experiment",
            "--variant",
            "properties.variant",
            "--goal",
            "purchase",
            "--amount",
            "cart_amount",
        ),
        _units,
        lambda answers: _variants(tuple(row) for row in answers[0]),
    ),
    "trend of a segment": _trend("product_view", "--segment", "{segment}"),
}
EVERYWHERE = ("trend, count", "trend, unique visitors", "retention, daily")
"""The questions that are asked of both kinds of data, as the first one and as a further one."""
PROPERTIES = {
    "trend, where property": "trend, where column",
    "funnel, where property": "funnel, where column",
}
"""Which question with a condition on a property is which one with a condition on a column."""


def ask_clickhouse(name: str, file: Path) -> None:
    """Print the rows of each statement of a question as a JSON list."""
    from chdb import session as chdb_session  # noqa: PLC0415 (only the process that asks it loads it)

    session: Any = chdb_session
    opened = session.Session()
    answers = []
    for sql in CLICKHOUSE[name]:
        result = sql.replace("{file}", f"file('{clickhouse_path(file)}', Parquet)")
        setting = f" SETTINGS max_threads = {os.cpu_count()}" if "CREATE" not in sql else ""
        answers.append(
            [
                json.loads(row)
                for row in str(opened.query(result + setting, "JSONCompactEachRow")).splitlines()
            ]
        )
    print(json.dumps(answers))


def run_ecom(name: str, file: Path, folder: Path) -> tuple[Spent, Numbers]:
    """The command: what it cost, and its numbers."""
    segment = folder / "loyal.yaml"
    segment.write_text(LOYAL)
    question = QUESTIONS[name]
    command = [part.replace("{segment}", str(segment)) for part in question.command]
    spent = run_process(
        [ECOM, *command, "--events", str(file), "--json"], {"ECOM_HOME": str(folder / HOME)}
    )
    return spent, question.ecom_numbers(json.loads(spent.printed))


def run_clickhouse(name: str, file: Path) -> tuple[Spent, Numbers]:
    """ClickHouse: what it cost, and its numbers."""
    spent = run_process([*script("behaviour.questions"), "--clickhouse", name, "--file", str(file)])
    return spent, QUESTIONS[name].clickhouse_numbers(json.loads(spent.printed))


def measure(
    name: str, file: Path, folder: Path, repetitions: int, of: tuple[str, str] | None = None
) -> list[tuple[Spent, Spent]]:
    """What both cost, in turns, after their answers were compared.

    Args:
        name: The question.
        file: The file or folder of the events.
        folder: What the command keeps is in a folder of it, if there is one.
        repetitions: How often both are asked, after a first time.
        of: Of a question of `EVERYWHERE`, which data these are, and which question of them it is.
    """
    pairs: list[tuple[Spent, Spent]] = []
    first: dict[str, object] = {}
    for repetition in range(repetitions + 1):
        (ecom_spent, numbers), (chdb_spent, expected) = (
            run_ecom(name, file, folder),
            run_clickhouse(name, file),
        )
        if numbers != expected:
            sys.exit(
                f"ecom and ClickHouse disagree about {name}, so there is nothing to compare:\n"
                f"{numbers}\n"
                f"{expected}"
            )
        if (
            repetition or not repetitions
        ):  # the first round warms the disk's cache, and writes statements that are kept
            pairs.append((ecom_spent, chdb_spent))
        else:
            first = {f"first_{key}": value for key, value in costs(ecom_spent).items()}
    say(f"{name}: the same numbers from both")
    group, target = (f"{GROUP}, {', '.join(of)}", TARGETS[of[1]]) if of else (GROUP, TARGET)
    report(*ratios(f"{group}, {name}", pairs, target, "chdb", group, **first))
    return pairs


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, help="these questions")
    parser.add_argument("--clickhouse", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.clickhouse:
        ask_clickhouse(arguments.clickhouse, arguments.file)
        return
    maker = script("behaviour.question_data")
    made = run_process([*maker, str(arguments.events)]).printed.splitlines()[-1].split()
    spent: dict[str, list[tuple[Spent, Spent]]] = {}
    names = arguments.only or list(QUESTIONS)
    for which in TARGETS:
        with scratch() as folder:
            if which == FURTHER:
                (folder / HOME).mkdir()
            for data, ids in zip(made, IDS, strict=True):
                for name in filter(EVERYWHERE.__contains__, names):
                    of = (ids, which)
                    spent[name] = measure(name, Path(data), folder, arguments.repetitions, of)
    with scratch() as folder:
        (folder / HOME).mkdir()
        for name in names:
            if name not in EVERYWHERE:
                spent[name] = measure(name, Path(made[0]), folder, arguments.repetitions)
    for by_property, by_column in PROPERTIES.items():
        if by_property in spent and by_column in spent:
            pairs = zip(spent[by_property], spent[by_column], strict=True)
            ratio = median(
                property_spent.cpu_s / column_spent.cpu_s
                for (property_spent, _), (column_spent, _) in pairs
            )
            report(
                Result(f"questions, {by_property} / where column, CPU", ratio, "x", TARGET_PROPERTY)
            )


if __name__ == "__main__":
    main()

"""`python -m benchmarks.layouts --seeds 100`: files in layouts by chance, read by their drafts.

Each seed writes the orders and the events of a small shop in one layout by chance. The questions of
the draft are answered by what was written; then what was sold and paid back, orders, customers,
their times, events by type, visitors and the amount of purchases must be exact. A refusal is not
right: a shop with such a file has no other.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.layouts.answers import UnansweredError, answered, of_events, of_orders
from benchmarks.layouts.events import EventFile, event_file
from benchmarks.layouts.orders import CURRENCY, OrderFile, order_file
from ecom_assets.core.errors import EcomError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.proposal.proposal import MappingSearch, read_by
from ecom_assets.ingestion.sources.proposal.questions import OpenQuestion
from ecom_assets.ingestion.sources.reading import FileReading

MOST_QUESTIONS = 6
NOBODY = (None, "", "(not set)", "(unknown)")


@dataclass(frozen=True)
class Outcome:
    """What became of a file: what is wrong of it, empty if nothing, and how many questions."""

    kind: str
    seed: int
    wrong: tuple[str, ...]
    question_count: int
    about: str


def orders_outcome(seed: int, folder: Path) -> Outcome:
    """Return whether the orders of a seed are read as they were written."""
    file = order_file(seed, folder)
    return _outcome("orders", seed, file, of_orders(file), folder, _wrong_orders)


def events_outcome(seed: int, folder: Path) -> Outcome:
    """Return whether the events of a seed are read as they were written."""
    file = event_file(seed, folder)
    return _outcome("events", seed, file, of_events(file), folder, _wrong_events)


def _outcome(  # noqa: PLR0913, PLR0917 (what a file and its check are)
    kind: str,
    seed: int,
    file: Any,  # noqa: ANN401 (a file of orders or events)
    answer: Callable[[Any], str | None],
    folder: Path,
    check: Callable[[Any, list[dict[str, Any]]], Iterator[str]],
) -> Outcome:
    search = MappingSearch([str(file.path)], Settings(home=folder / "home", currency=CURRENCY))
    questions: list[OpenQuestion] = []
    try:
        proposal, _, questions = answered(search, answer)
        if proposal.kind != kind:
            return Outcome(kind, seed, (f"taken for {proposal.kind}",), 0, file.about)
        with read_by(search, proposal, folder) as reading:
            assert isinstance(reading, FileReading)  # noqa: S101 (of these kinds)
            rows = reading.files.classified().to_pyarrow().to_pylist()
        wrong = (*check(file, [row for row in rows if row["reject_reason"] is None]),)
        if wrong:
            reasons = Counter(row["reject_reason"] for row in rows if row["reject_reason"])
            wrong = (*wrong, *(f"{count} {reason}" for reason, count in reasons.items()))
    except UnansweredError as error:
        wrong = (f"no true answer to {error}",)
    except EcomError as error:
        wrong = (f"refused: {error}",)
    return Outcome(kind, seed, wrong, len(questions), file.about)


def _wrong_orders(file: OrderFile, rows: list[dict[str, Any]]) -> Iterator[str]:
    truth = file.truth
    sums = {
        status: sum((row["payment_amount"] for row in rows if row["status"] == status), Decimal())
        for status in ("shipped", "refunded")
    }
    shipped = [row for row in rows if row["status"] == "shipped"]
    orders = {row["order_id"] or (row["customer_id"], row["ordered_at"]) for row in shipped}
    times = {_utc(row["ordered_at"]) for row in shipped}
    people = {row["customer_id"] for row in rows} - set(NOBODY)
    pairs = {
        "sold": (sums["shipped"], truth.sold),
        "paid back": (sums["refunded"], truth.paid_back),
        "orders": (len(orders), len(truth.orders)),
        "customers": (len(people), len(truth.customers)),
    }
    yield from (f"{name} {is_} for {must}" for name, (is_, must) in pairs.items() if is_ != must)
    if times != {_utc(at) for at in truth.times}:
        yield "times"


def _wrong_events(file: EventFile, rows: list[dict[str, Any]]) -> Iterator[str]:
    types = Counter(row["event_type"] for row in rows)
    # A visitor without a user is known by the device.
    people = {row["user_id"] or row["anonymous_id"] for row in rows} - set(NOBODY)
    amounts = [row["cart_amount"] for row in rows if row["event_type"] == "purchase"]
    amount = sum((each for each in amounts if each is not None), Decimal())
    if types != file.by_type:
        yield f"events {dict(types)} for {dict(file.by_type)}"
    if len(people) != len(file.visitors):
        yield f"visitors {len(people)} for {len(file.visitors)}"
    if amount != file.amount:
        yield f"amount {amount} for {file.amount}"


def _utc(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat()


def outcomes(seeds: range) -> Iterator[Outcome]:
    """Yield what became of the files of each seed."""
    for seed in seeds:
        for outcome in (orders_outcome, events_outcome):
            with tempfile.TemporaryDirectory() as folder:
                yield outcome(seed, Path(folder))


def main() -> None:
    """Try seeds, and say which are wrong, and how."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind", choices=("orders", "events"))
    options = parser.parse_args()
    began, right, counts = time.process_time(), Counter[str](), []
    seeds = range(options.first, options.first + options.seeds)
    for outcome in outcomes(seeds):
        if options.kind and outcome.kind != options.kind:
            continue
        right[outcome.kind] += not outcome.wrong
        counts.append(outcome.question_count)
        if outcome.wrong:
            print(f"{outcome.kind} {outcome.seed}: {'; '.join(outcome.wrong)} [{outcome.about}]")
    many = sum(count > MOST_QUESTIONS for count in counts)
    print(f"right of {len(seeds)}: {dict(right)}; questions: median {statistics.median(counts)},")
    print(f"{many} files with more than {MOST_QUESTIONS}; {time.process_time() - began:.0f} CPU s")
    sys.exit(any(right[kind] < len(seeds) for kind in right))


if __name__ == "__main__":
    main()

"""Simulate a shop: write landing folders of events, an order report, a catalogue and the ground truth.

`generate` is the entry point. `people.py`, `visits.py` and `bots.py` decide what happens, `faults.py` and `ledger.py`
add faults, `files.py` and `orders.py` write files, and `truth.py` counts.
"""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from ecom_assets.errors import UsageError
from ecom_assets.sandbox.shop import faults as f
from ecom_assets.sandbox.shop import rows as r
from ecom_assets.sandbox.shop.bots import bot_count, bot_events
from ecom_assets.sandbox.shop.catalogue import make_catalogue, make_stock
from ecom_assets.sandbox.shop.files import Columns, replaced_folder, write_csv, write_parquet
from ecom_assets.sandbox.shop.ledger import UNRECORDED, UNTOLD, Ledger, LedgerTally, arrived
from ecom_assets.sandbox.shop.orders import OrderReport, Refunds, refund_events, write_catalogue
from ecom_assets.sandbox.shop.people import make_schedule
from ecom_assets.sandbox.shop.rows import Dice, Rows, joined
from ecom_assets.sandbox.shop.traffic import Pages
from ecom_assets.sandbox.shop.truth import GENERATOR, Tally
from ecom_assets.sandbox.shop.visits import World, walk

FIRST_DAY = date(2026, 1, 1)
VISITS_AT_ONCE = 40_000
"""Limits memory to about 350,000 events at a time, whatever the size of the shop."""
_FIRST_YEAR, _LAST_YEAR = 2000, 2080
SAMPLE_COLUMNS = (
    "event_id", "user_id", "event_type", "event_timestamp", "product_id", "product_category", "session_id",
    "page_url", "referrer_url", "cart_value",
)  # fmt: skip
SAMPLE_ROWS = 200
_SAMPLE_FLAWS = (f.NO_TIME, f.NO_TYPE, f.NEGATIVE)


def generate(  # noqa: PLR0913 (all arguments but the folder have defaults)
    out: Path,
    *,
    days: int = 30,
    visitors: int = 2000,
    seed: int = 7,
    first_day: date = FIRST_DAY,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """Write a simulated shop into `out` and return its ground truth, which is also in `out/truth.json`.

    `visitors` people visit it over `days` days. The same arguments give the same bytes. `out` is created or replaced
    only at the end. `progress` is called with the number of finished days and the number of all days.
    """
    _check(days=days, visitors=visitors, seed=seed, first_day=first_day)
    with replaced_folder(out, made_by=GENERATOR) as folder:
        shop = Shop(days=days, visitors=visitors, seed=seed, first_day=first_day)
        truth = shop.write(folder, progress or (lambda _done, _all: None))
        (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return truth


def write_sample(path: Path) -> None:
    """Write `sample_event_data.csv`: the first events of a small shop, `SAMPLE_ROWS` rows, three of them broken."""
    shop = Shop(days=1, visitors=400, seed=7, first_day=FIRST_DAY)
    rows = shop.people(0, int(shop.schedule.first_of_day[1]))[0]
    rows = rows[np.lexsort((rows["number"], rows["at"]))][: SAMPLE_ROWS - len(_SAMPLE_FLAWS)]
    flaw = np.array(_SAMPLE_FLAWS, np.int64)
    twins = f.break_rows(shop.world.dice, rows[40 + 50 * np.arange(len(flaw))], flaw, 10**6 + flaw)
    rows = np.concatenate([rows, twins])
    rows = rows[np.lexsort((rows["number"], rows["received"]))]
    write_csv(shop.columns.table(rows).select(SAMPLE_COLUMNS), path)


class Shop:
    """One simulation. It goes through the days in order and keeps in memory only what later days need."""

    def __init__(self, *, days: int, visitors: int, seed: int, first_day: date) -> None:
        first_us = (first_day - date(1970, 1, 1)).days * r.DAY
        dice = Dice(seed)
        catalogue = make_catalogue(dice)
        pages = Pages(catalogue)
        self.days, self.visitors, self.seed, self.first_day = days, visitors, seed, first_day
        self.world = World(dice, catalogue, pages, first_us, first_us + days * r.DAY)
        self.schedule = make_schedule(dice, days=days, visitors=visitors, first_day=first_day)
        self.columns = Columns(dice, pages, len(catalogue.names))
        self._refunds = Refunds(self.world, self.schedule, visitors)
        bots = bot_count(visitors)
        self._tally = Tally(first_day=first_day, days=days, people=visitors, bots=bots)
        self._ledger = Ledger(dice, self.world.end_us)
        self._ledger_tally = LedgerTally(first_day=first_day, days=days)
        self._first_bot_visit = len(self.schedule.visits)
        self._number = 0
        self._on_the_way: dict[int, list[Rows]] = {}

    def write(self, folder: Path, progress: Callable[[int, int], None]) -> dict[str, object]:
        """Write every file except `truth.json`, and return the ground truth."""
        stock = make_stock(self.world.dice, self.world.catalogue, self.visitors)
        write_catalogue(self.world.catalogue, stock, folder / "catalogue.parquet")
        report = OrderReport(self.world, self.columns, folder / "orders.parquet")
        for day in range(self.days):
            for part, (begin, end) in enumerate(self._chunks(day)):
                events, orders = self._disturbed(*self.people(begin, end))
                if part == 0:
                    events, orders = self._with_others(day, events, orders)
                events, orders = arrived(f.receive(self.world.dice, events, self.world.end_us), orders)
                self._land(folder, day, part, self._delivered(events, is_first=day == part == 0))
                report.add(self._recorded(events, orders))
            progress(day + 1, self.days)
        report.close()
        return {**self._tally.truth(self._settings()), "order_event_differences": self._ledger_tally.truth()}

    def people(self, begin: int, end: int) -> tuple[Rows, Rows]:
        """Return the events and orders of a range of visits."""
        events, orders = walk(self.world, self.schedule.visits[begin:end], begin, self._number)
        self._number += len(events)
        return events, orders

    def _chunks(self, day: int) -> list[tuple[int, int]]:
        """Split a day's visits into ranges that fit in memory; a day without visits has one empty range."""
        begin, end = (int(bound) for bound in self.schedule.first_of_day[day : day + 2])
        starts = range(begin, max(end, begin + 1), VISITS_AT_ONCE)
        return [(start, min(start + VISITS_AT_ONCE, end)) for start in starts]

    def _with_others(self, day: int, events: Rows, orders: Rows) -> tuple[Rows, Rows]:
        """Add the events of bots and refunds to a day's events, and the refunds to its orders."""
        first_visit = len(self.schedule.visits) + day * bot_count(self.visitors)
        bots = bot_events(self.world, day, self.visitors, first_visit, self._number)
        refunds = self._ledger.untold(self._refunds.of_day(day))
        paid_back = refund_events(self.world, refunds[refunds["fault"] != UNTOLD], self._number + len(bots))
        self._number += len(bots) + len(paid_back)
        return joined([events, bots, paid_back]), joined([orders, refunds], r.ORDER)

    def _delivered(self, events: Rows, *, is_first: bool) -> Rows:
        """Return the good rows with their duplicates and broken copies, and count all of them."""
        dice, end_us = self.world.dice, self.world.end_us
        copies = f.duplicates(dice, events, end_us)
        broken = f.broken(dice, events, self._number, at_least_one=is_first)
        self._number += len(broken)
        broken = broken[broken["received"] < end_us]
        self._tally.add_good(events)
        self._tally.add_copies(copies)
        self._tally.add_broken(broken)
        return joined([events, copies, broken])

    def _disturbed(self, events: Rows, orders: Rows) -> tuple[Rows, Rows]:
        """Add differences between events and orders."""
        before = self._number
        events, orders = self._ledger.disturb(events, orders, before)
        self._number = before + len(events) + len(orders)
        return events, orders

    def _recorded(self, events: Rows, orders: Rows) -> Rows:
        """Return the orders that the order log records; count them and plan their refunds."""
        self._ledger_tally.add(events, orders, self.world.catalogue)
        orders = orders[orders["fault"] != UNRECORDED]
        self._tally.add_orders(orders, self.world.catalogue)
        self._refunds.plan(orders[~orders["is_refund"]])
        return orders

    def _land(self, folder: Path, day: int, part: int, rows: Rows) -> None:
        """Write the rows that arrive on this day, also those kept from earlier days; keep rows that arrive later."""
        arrival = (rows["received"] - self.world.first_us) // r.DAY
        for later in np.unique(arrival[arrival > day]).tolist():
            self._on_the_way.setdefault(later, []).append(rows[arrival == later])
        rows = joined([rows[arrival == day], *self._on_the_way.pop(day, [])])
        if len(rows):
            rows = rows[np.lexsort((rows["number"], rows["received"]))]
            name = f"received_date={self.first_day + timedelta(days=day)}"
            write_parquet(self.columns.table(rows), folder / "events" / name / f"part-{part:05d}.parquet")

    def _settings(self) -> dict[str, object]:
        return {
            "seed": self.seed,
            "days": self.days,
            "visitors": self.visitors,
            "first_day": self.first_day.isoformat(),
            "late_days": f.LATE_DAYS,
        }


def _check(*, days: int, visitors: int, seed: int, first_day: date) -> None:
    """Raise if an argument is out of range."""
    for name, value, most in (("days", days, 3_660), ("visitors", visitors, 20_000_000)):
        if not 1 <= value <= most:
            raise UsageError(
                f"`{name}` is {value}, but a simulated shop needs 1 to {most}; give a number in that range."
            )
    if not 0 <= seed < 2**63:
        raise UsageError(f"`seed` is {seed}, but must be 0 or more and below 2^63; give another number.")
    if not _FIRST_YEAR <= first_day.year <= _LAST_YEAR:
        raise UsageError(
            f"`first_day` is {first_day}, but must lie in {_FIRST_YEAR} to {_LAST_YEAR}; give another day."
        )

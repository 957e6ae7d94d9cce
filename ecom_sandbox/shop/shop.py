"""Simulate a shop: write landing folders of events, an order report,
a catalogue and the ground truth.

`generate` is the entry point. `people.py` and `visits.py` decide what happens, `faults.py` adds
faults, `files.py` and `orders.py` write files, and `truth.py` counts.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from ecom_assets.core.errors import UsageError
from ecom_sandbox.shop import faults as f
from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop.advertising import Advertising, CustomerTruth
from ecom_sandbox.shop.catalogue import make_catalogue, make_stock
from ecom_sandbox.shop.credit import SourcedVisits
from ecom_sandbox.shop.files import Columns, replaced_folder, write_parquet
from ecom_sandbox.shop.identities import alias_events, plan_identities
from ecom_sandbox.shop.orders import (
    ORDER_LINES,
    OrderLineBuilder,
    Refunds,
    refund_events,
    write_catalogue,
    write_costs,
)
from ecom_sandbox.shop.people import make_schedule
from ecom_sandbox.shop.profit import Costs, ProfitTruth
from ecom_sandbox.shop.rows import Dice, Flags, Ints, Rows, joined
from ecom_sandbox.shop.traffic import Pages
from ecom_sandbox.shop.truth import GENERATOR, EventTruth, LedgerTruth, price_truth
from ecom_sandbox.shop.visits import World, bot_count, bot_events, walk

FIRST_DAY = date(2026, 1, 1)
VISITS_AT_ONCE = 40_000
"""Limits memory to about 350,000 events at a time, whatever the size of the shop."""
_FIRST_YEAR, _LAST_YEAR = 2000, 2080


def generate(  # noqa: PLR0913 (all arguments but the folder have defaults)
    out: Path,
    *,
    days: int = 30,
    visitors: int = 2000,
    seed: int = 7,
    first_day: date = FIRST_DAY,
    incident: date | None = None,
    incident_days: int = 1,
    all_signed_in: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """Write a simulated shop into `out` and return its ground truth,
    which is also in `out/truth.json`.

    `visitors` people visit it over `days` days; from the day of an `incident` on, for
    `incident_days`, nobody on a phone can pay. Where people are `all_signed_in`, each event says
    whose it is. The same arguments give the same bytes. `out` is
    created or replaced only at the end. `progress` is called with the number of finished days and
    the number of all days.
    """
    _check(days=days, visitors=visitors, seed=seed, first_day=first_day)
    with replaced_folder(out, made_by=GENERATOR) as folder:
        shop = Shop(
            seed,
            replace(cast_of(days, visitors, seed, first_day), all_signed_in=all_signed_in),
            incident=incident,
            incident_days=incident_days,
        )
        truth = shop.write(folder, progress or (lambda _done, _all: None))
        (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return truth


def cast_of(days: int, visitors: int, seed: int, first_day: date) -> "Cast":
    """Return the cast of a shop that opens on `first_day` and closes after `days` days."""
    return Cast(
        first_day, days, np.arange(visitors, dtype=np.int64), first_bot=visitors, schedule_seed=seed
    )


@dataclass(frozen=True)
class Cast:
    """The people who visit a shop on its days, and the first numbers of its visits and events.

    Attributes:
        first_day: The first day that is simulated.
        days: Number of days that visits and refunds are planned for.
        people: The ids of the people who visit, in ascending order; each comes at least once.
        first_bot: The id of the first bot, after those of all people.
        known_before: Which of the people visited before `first_day`; by default none.
        schedule_seed: Seed of who comes when.
        visits_before: Number of the first visit.
        events_before: Number of the first event.
        days_before: Days of the shop's calendar before `first_day`.
        eager: Share of the visits that come to buy, in addition to those that intend to.
        all_signed_in: Whether everybody is signed in all the time, so that the shop knows of each
            event whose it is; numbers that depend on who is who are exactly the truth then.
    """

    first_day: date
    days: int
    people: Ints
    first_bot: int
    schedule_seed: int
    known_before: Flags | None = None
    visits_before: int = 0
    events_before: int = 0
    days_before: int = 0
    eager: float = 0.0
    all_signed_in: bool = False

    @property
    def bots(self) -> range:
        """Return the ids of the bots."""
        return range(self.first_bot, self.first_bot + bot_count(len(self.people)))


@dataclass(frozen=True)
class DayRows:
    """The rows that arrive on a part of a day, and the orders of its visits."""

    day: int
    part: int
    arrived: Rows
    orders: Rows


class Shop:
    """One simulation.

    It goes through the days in order and keeps in memory only what later days need.
    """

    def __init__(
        self,
        seed: int,
        cast: Cast,
        until: int | None = None,
        incident: date | None = None,
        incident_days: int = 1,
    ) -> None:
        """Plan the visits of the cast; what arrives after the first `until` days, by default all,
        is not counted.
        """
        first_us = (cast.first_day - date(1970, 1, 1)).days * r.DAY
        dice = Dice(seed)
        catalogue = make_catalogue(dice)
        pages = Pages(catalogue)
        self.seed, self.cast = seed, cast
        self.until = cast.days if until is None else until
        self._cut_us = first_us + self.until * r.DAY
        end_us = first_us + cast.days * r.DAY
        broken_us = incident and (incident - date(1970, 1, 1)).days * r.DAY
        broken = (broken_us, broken_us + incident_days * r.DAY) if broken_us else None
        self.incident = (
            {"incident": incident.isoformat(), "incident_days": incident_days} if incident else {}
        )
        self.world = World(
            dice,
            catalogue,
            pages,
            first_us,
            end_us,
            cast.days_before,
            cast.eager,
            broken,
            cast.all_signed_in,
        )
        self.schedule = make_schedule(
            Dice(cast.schedule_seed),
            days=cast.days,
            people=cast.people,
            first_day=cast.first_day,
            known_before=cast.known_before,
        )
        plan_identities(
            dice,
            self.schedule,
            people=cast.people,
            known_before=cast.known_before,
            end_s=cast.days * r.DAY_S,
        )
        self.columns = Columns(dice, pages, len(catalogue.names))
        self._refunds = Refunds(self.world, self.schedule)
        first_day, days = cast.first_day, self.until
        self._event_truth = EventTruth(
            first_day=first_day, days=days, people=cast.people, first_bot=cast.first_bot
        )
        self._ledger = f.FaultInjector(dice, self.world.end_us)
        self._ledger_truth = LedgerTruth(first_day=first_day, days=self.until)
        self.costs = Costs.of_shop(dice, catalogue)
        self._profit_truth = ProfitTruth(dice, self.costs, first_day=first_day, days=days)
        self.advertising = Advertising(dice, len(cast.people) / cast.days, cast.first_day)
        self._customer_truth = CustomerTruth()
        self._number = cast.events_before
        self._on_the_way: dict[int, list[Rows]] = {}

    @property
    def is_over(self) -> bool:
        """Return whether all planned days are over."""
        return self.until == self.cast.days

    def write(self, folder: Path, progress: Callable[[int, int], None]) -> dict[str, object]:
        """Write every file except `truth.json`, and return the ground truth."""
        self.write_catalogue(folder / "catalogue.parquet", len(self.cast.people))
        last = self.cast.first_day + timedelta(days=self.until - 1)
        write_costs(self.costs, self.cast.first_day, last, folder / "costs.csv")
        self.advertising.write(self.cast.first_day, last, folder / "ad_spend")
        report = OrderLineBuilder(self.world, self.columns)
        with pq.ParquetWriter(
            folder / "orders.parquet", ORDER_LINES, compression="zstd", store_schema=False
        ) as orders:
            for rows in self.simulate():
                self.land(rows, folder / "events")
                if len(rows.orders):
                    orders.write_table(report.lines(rows.orders))
                progress(rows.day + 1, self.until)
        settings = {
            "seed": self.seed,
            "days": self.cast.days,
            "visitors": len(self.cast.people),
            "first_day": self.cast.first_day.isoformat(),
            "late_days": f.LATE_DAYS,
            **self.incident,
        }
        # Who is new is known of a shop that nobody visited before.
        advertising = self.advertising.truth(last, self._customer_truth.brought(knows_first=True))
        customers = self._customer_truth.truth(self.advertising.by_month(last), last)
        return self.truth(settings) | {"advertising": advertising | customers}

    def write_catalogue(self, path: Path, visitors: int) -> None:
        """Write the products with their prices on the last day,
        and the stock of a shop with this many visitors.
        """
        catalogue, last = self.world.catalogue, self.cast.first_day + timedelta(days=self.until - 1)
        write_catalogue(catalogue, make_stock(self.world.dice, catalogue, visitors), last, path)

    def simulate(self) -> Iterator[DayRows]:
        """Yield the days that are over, in order."""
        for day in range(self.until):
            for part, (begin, end) in enumerate(self._chunks(day)):
                events, orders = self.people(begin, end)
                aliases = alias_events(self.world.dice, self.schedule.visits[begin:end], events)
                events, orders = self._disturbed(events, orders)
                other_events, refunds = self._bots_and_refunds(day) if part == 0 else ([], [])
                events, orders = (
                    joined([events, *other_events, aliases]),
                    joined([orders, *refunds], r.ORDER),
                )
                events, orders = f.arrived(
                    f.receive(self.world.dice, events, self.world.end_us), orders
                )
                rows = self._delivered(events, is_first=day == part == 0)
                yield DayRows(
                    day, part, self._arrived_on(day, rows), self._recorded(events, orders)
                )

    def land(self, rows: DayRows, folder: Path) -> None:
        """Write the rows that arrived into the landing folder of their day."""
        if len(rows.arrived):
            name = f"received_date={self.cast.first_day + timedelta(days=rows.day)}"
            write_parquet(
                self.columns.table(rows.arrived), folder / name / f"part-{rows.part:05d}.parquet"
            )

    def truth(self, settings: dict[str, object]) -> dict[str, object]:
        """Return the ground truth of the days that were simulated.

        Orders whose purchase event is still on its way have no stable difference yet, so there are
        none before the end.
        """
        differences = (
            {"order_event_differences": self._ledger_truth.truth()} if self.is_over else {}
        )
        counted = self._event_truth.truth(settings, is_whole=self.cast.known_before is None)
        changes = self.world.catalogue.price_changes(self.cast.first_day, self.until)
        return {
            **counted,
            "price_changes": price_truth(changes),
            "profit": self._profit_truth.truth(),
            **differences,
        }

    def visits(self) -> SourcedVisits:
        """Return the visits of all days that say a source, without going through the days."""
        count = len(self.schedule.visits)
        parts = []
        for begin in range(0, count, VISITS_AT_ONCE):
            visits = self.schedule.visits[begin : begin + VISITS_AT_ONCE]
            events, _ = walk(self.world, visits, self.cast.visits_before + begin, 0)
            parts.append(self._sourced(events))
        return SourcedVisits.joined(parts)

    def brought(self, before: SourcedVisits) -> dict[str, dict[str, int]]:
        """Return what each source brings, as `brought` in `credit.py`; `before` are visits before
        these days. Who is new is not known.
        """
        self._customer_truth.add_visits(before)
        return self._customer_truth.brought(knows_first=False)

    def people(self, begin: int, end: int) -> tuple[Rows, Rows]:
        """Return the events and orders of a range of visits."""
        visits = self.schedule.visits[begin:end]
        events, orders = walk(self.world, visits, self.cast.visits_before + begin, self._number)
        self._number += len(events)
        return events, orders

    def _chunks(self, day: int) -> list[tuple[int, int]]:
        """Split a day's visits into ranges that fit in memory;
        a day without visits has one empty range.
        """
        begin, end = (int(bound) for bound in self.schedule.first_of_day[day : day + 2])
        starts = range(begin, max(end, begin + 1), VISITS_AT_ONCE)
        return [(start, min(start + VISITS_AT_ONCE, end)) for start in starts]

    def _bots_and_refunds(self, day: int) -> tuple[list[Rows], list[Rows]]:
        """Return a day's events of bots and of refunds, and its refunds."""
        ids = self.cast.bots
        first_visit = self.cast.visits_before + len(self.schedule.visits) + day * len(ids)
        bots = bot_events(self.world, day, ids, first_visit, self._number)
        refunds = self._ledger.with_unreported(self._refunds.of_day(day))
        paid_back = refund_events(
            self.world, refunds[refunds["fault"] != f.UNREPORTED], self._number + len(bots)
        )
        self._number += len(bots) + len(paid_back)
        return [bots, paid_back], [refunds]

    def _delivered(self, events: Rows, *, is_first: bool) -> Rows:
        """Return the good rows with their duplicates and broken copies,
        and count those that have arrived.
        """
        dice, end_us = self.world.dice, self.world.end_us
        copies = f.duplicates(dice, events, end_us)
        broken = f.broken(dice, events, self._number, at_least_one=is_first)
        self._number += len(broken)
        broken = broken[broken["received"] < end_us]
        good = events[events["received"] < self._cut_us]
        self._event_truth.add_good(good)
        self._customer_truth.add_visits(self._sourced(good))
        self._event_truth.add_copies(copies[copies["received"] < self._cut_us])
        self._event_truth.add_broken(broken[broken["received"] < self._cut_us])
        return joined([events, copies, broken])

    def _sourced(self, events: Rows) -> SourcedVisits:
        people = events[events["visitor"] < self.cast.first_bot]
        return SourcedVisits.of_events(self.world.pages, people)

    def _disturbed(self, events: Rows, orders: Rows) -> tuple[Rows, Rows]:
        """Add differences between events and orders."""
        before = self._number
        events, orders = self._ledger.disturb(events, orders, before)
        self._number = before + len(events) + len(orders)
        return events, orders

    def _recorded(self, events: Rows, orders: Rows) -> Rows:
        """Return the orders that the order log has by now; count them and plan their refunds."""
        if self.is_over:
            self._ledger_truth.add(events, orders)
        orders = orders[orders["fault"] != f.UNRECORDED]
        # Something is paid back where it was bought.
        is_new = ~orders["is_refund"]
        orders["channel"][is_new] = self._ledger.sold_through(orders[is_new])
        self._refunds.plan(orders[~orders["is_refund"]])
        orders = orders[orders["at"] < self._cut_us]
        self._event_truth.add_orders(orders)
        self._customer_truth.add(orders, *self._profit_truth.add(orders))
        return orders

    def _arrived_on(self, day: int, rows: Rows) -> Rows:
        """Return the rows that arrive on this day, also those kept from earlier days;
        keep rows that arrive later.
        """
        arrival = (rows["received"] - self.world.first_us) // r.DAY
        for later in np.unique(arrival[arrival > day]).tolist():
            self._on_the_way.setdefault(later, []).append(rows[arrival == later])
        rows = joined([rows[arrival == day], *self._on_the_way.pop(day, [])])
        return rows[np.lexsort((rows["number"], rows["received"]))]


def _check(*, days: int, visitors: int, seed: int, first_day: date) -> None:
    """Raise if an argument is out of range."""
    for name, value, most in (("days", days, 3_660), ("visitors", visitors, 20_000_000)):
        if not 1 <= value <= most:
            raise UsageError(
                f"`{name}` is {value}, but a simulated shop needs 1 to {most}; give a number in "
                "that range."
            )
    if not 0 <= seed < 2**63:
        raise UsageError(
            f"`seed` is {seed}, but must be 0 or more and below 2^63; give another number."
        )
    if not _FIRST_YEAR <= first_day.year <= _LAST_YEAR:
        raise UsageError(
            f"`first_day` is {first_day}, but must lie in {_FIRST_YEAR} to {_LAST_YEAR}; give "
            "another day."
        )

"""Random histories of a small world: what people did, when it arrived,
and in what order days were run.

A plan is a story of steps: something arrives (also late, again, changed or withdrawn), or a range
of days is run.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ecom_assets.core.tables.days import Days, day_starts_at
from ecom_assets_tests.builders import Row, received

EVENT_DAYS = 4
LATE_DAYS = 1
KINDS = (
    "page_view",
    "page_view",
    "page_view",
    "product_view",
    "add_to_cart",
    "purchase",
    "refund",
    "search",
    "category_view",
    "$wish",
    "alias",
)
CORRUPTIONS: Sequence[Row] = (
    {"event_id": None},
    {"event_at": None, "event_date": None, "event_timestamp": "yesterday"},
    {"event_type": "page\tview"},
    {"user_id": "null"},
    {"user_id": None, "session_id": None},
    {"event_type": "add_to_cart", "product_id": None},
    {"cart_value": "-1", "cart_amount": -1},
    {"cart_value": "a lot", "cart_amount": None},
    {"malformed_row": "x;y;z"},
)


@dataclass(frozen=True)
class World:
    """A time zone and the first of the days on which things happen there."""

    timezone: str
    first: date

    @property
    def arrival_days(self) -> Days:
        """Days on which rows may arrive: from the day before the first
        event to long after the last.
        """
        return Days.between(self.first, self.first + timedelta(days=EVENT_DAYS)).widened(
            before=1, after=LATE_DAYS + 1
        )

    @property
    def all_days(self) -> Days:
        """Every day that any arrival can touch."""
        return self.arrival_days.widened(before=LATE_DAYS, after=1)

    def near_midnight(self, number: int, offset_s: int, micros: int) -> datetime:
        """Return an instant near the midnight at which day `number` begins."""
        midnight = day_starts_at(self.first + timedelta(days=number), self.timezone)
        return midnight + timedelta(seconds=offset_s, microseconds=micros)


@dataclass(frozen=True)
class Arrive:
    """From now on these are all the rows that arrived on a day."""

    day: date
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """Materialize a range of days: all tables, or one by name."""

    days: Days
    table: str | None = None


@dataclass(frozen=True)
class Plan:
    """Every row that ever exists, and what happened."""

    rows: tuple[Row, ...]
    steps: tuple[Arrive | Run, ...]


TABLES = (
    "duplicate_events",
    "quarantined_events",
    "identity_links",
    "shared_ids",
    "merged_users",
    "events",
    "session_events",
    "session_days",
    "sessions",
    "funnel_entries",
    "conversion_funnel",
)
PEOPLE = ("anna", "anna", "ben", "carl", None)
PAGES: Sequence[Row] = (
    {},
    {},
    {"page_url": "https://shop.test/?utm_source=letter&utm_medium=email"},
    {"page_url": "https://shop.test/", "referrer_url": "https://www.google.com/"},
)
"""Most events do not say where their visitor came from."""
OFFSETS_S = (-1800, -900, -1, 0, 900, 1799, 1800, 1801, 36_000)
GAPS_S = (0, 5, 11, 600, 1799, 1800, 1801, 2400)


def random_plan(world: World, dice: random.Random) -> Plan:
    """Either all arrives, is run, and then some days change, or days arrive
    and are run as they come.
    """
    rows = [row for _ in range(dice.randint(1, 12)) for row in _burst(world, dice)]
    rows = [row | {"event_id": f"e{number:03}"} for number, row in enumerate(rows)]
    rows += [_copy(world, dice, dice.choice(rows)) for _ in range(dice.choice((0, 4, 12)))]
    for _ in range(dice.randint(0, 4)):
        victim = dice.randrange(len(rows))
        rows[victim] = rows[victim] | dice.choice(CORRUPTIONS)
    steps: list[Arrive | Run] = [Arrive(day, due_on(day, rows)) for day in world.arrival_days.dates]
    if dice.random() < 0.6:
        steps.append(Run(world.all_days))
        steps += [_arrival(dice, rows) for _ in range(dice.randint(1, 3))]
    else:
        dice.shuffle(steps)
        steps = steps[: dice.randint(2, len(steps))]
    for _ in range(dice.randint(0, 5)):
        steps.insert(
            dice.randint(len(steps) // 2, len(steps)),
            dice.choice((_arrival(dice, rows), _run(world, dice))),
        )
    return Plan(tuple(rows), tuple(steps))


def due_on(day: date, rows: Sequence[Row]) -> tuple[int, ...]:
    """Return the numbers of the rows that arrive on a day."""
    return tuple(number for number, row in enumerate(rows) if row["received_date"] == day)


def _burst(world: World, dice: random.Random) -> list[Row]:
    """A few events of one visitor around a midnight, or a chain without a gap over several days."""
    person = dice.choice(PEOPLE)
    who = {
        "user_id": person,
        "session_id": dice.choice(("s1", "s2", None) if person else ("s1", "s2")),
    }
    who["anonymous_id"] = dice.choice((None, "d1", "d1", "d2"))
    offset_s = dice.choice((dice.choice(OFFSETS_S), dice.randint(-2400, 2400)))
    start = world.near_midnight(dice.randint(0, EVENT_DAYS), offset_s, dice.choice((0, 0, 1, -1)))
    gaps = (
        [1800] * dice.randint(20, 120)
        if dice.random() < 0.15
        else dice.choices(GAPS_S, k=dice.randint(0, 5))
    )
    late = dice.choice(((0,), (-1,), (0, 0, 1), (-1, 0, 1), (0, LATE_DAYS, LATE_DAYS + 1)))
    return [
        _row(
            world,
            start + timedelta(seconds=sum(gaps[:n])),
            dice.choice(KINDS),
            dice.choice(late),
            who,
        )
        | dice.choice(PAGES)
        for n in range(len(gaps) + 1)
    ]


def _row(world: World, moment: datetime, kind: str, late: int, who: Row) -> Row:
    row = received("", moment, timezone=world.timezone, event_type=kind, **who)
    days = world.arrival_days.dates
    row["received_date"] = min(max(row["event_date"] + timedelta(days=late), days[0]), days[-1])
    row["product_category"] = {
        "product_view": "hats",
        "add_to_cart": "shoes",
        "category_view": "shoes",
    }.get(kind)
    row["page_url"] = "https://shop.test/?q=Red+hat" if kind == "search" else None
    if kind == "alias":
        row["properties"] = json.dumps({"previous_id": PEOPLE[moment.minute % 3]})
    return row | {"cart_amount": 20 if kind == "purchase" else None}


def _copy(world: World, dice: random.Random, original: Row) -> Row:
    """Another row with the id of one that exists: the same content, or another time and person."""
    copy = dict(original)
    if dice.random() < 0.7:
        days_apart = (original["received_date"] - world.first).days + dice.choice((0, 1, 2, 3))
        moment = world.near_midnight(min(days_apart, EVENT_DAYS), dice.choice(OFFSETS_S), 0)
        copy = received(
            original["event_id"],
            moment,
            timezone=world.timezone,
            user_id=dice.choice(("anna", "ben")),
        )
    copy["received_date"] = copy["event_date"] + timedelta(days=dice.choice((-1, 0, 0, 1)))
    return copy


def _arrival(dice: random.Random, rows: Sequence[Row]) -> Arrive:
    """Some of a day's rows arrive, all, or none; those that had arrived before are withdrawn."""
    day = dice.choice(sorted({row["received_date"] for row in rows}))
    due = due_on(day, rows)
    kept = dice.choice((due, (), tuple(n for n in due if dice.random() < 0.8)))
    return Arrive(day, kept)


def _run(world: World, dice: random.Random) -> Run:
    """A range of one, two, or all days, for every table or one."""
    days = world.all_days.dates
    length = dice.choice((1, 1, 2, len(days)))
    start = dice.randint(0, len(days) - length)
    return Run(Days(days[start : start + length]), dice.choice((None, None, *TABLES)))

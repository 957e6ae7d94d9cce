"""The living shop: it ends on a given day and grows by the days since,
without a change to the days that it has.

Each calendar month is simulated by itself, from the seed and the month. So a day's files are the
same bytes whenever they are written. Rows of a month arrive within it. Some of a month's people
come again in the months after it. The events of the current day arrive in small files, until the
day's own file with the same rows replaces them.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.core.atomic_files import replace_bytes, replacing
from ecom_assets.ingestion.sources.sandbox_shop import (
    AD_SPEND,
    DAYS_BEFORE,
    first_day,
    last_day,
    opening_day,
    truth_of,
)
from ecom_sandbox.shop.advertising import Advertising
from ecom_sandbox.shop.catalogue import make_catalogue
from ecom_sandbox.shop.credit import SourcedVisits
from ecom_sandbox.shop.customers import ShopCustomers, joined_customers, make_customers
from ecom_sandbox.shop.files import write_parquet
from ecom_sandbox.shop.orders import OrderLineBuilder, write_costs
from ecom_sandbox.shop.profit import Costs
from ecom_sandbox.shop.rows import SECOND, Dice, Rows
from ecom_sandbox.shop.shop import Cast, Shop
from ecom_sandbox.shop.truth import GENERATOR

SEED = 7
NEW_PEOPLE = 600
"""New people of a month, of one of the usual size."""
EAGER = 0.2
"""Share of visits that come to buy.

Without them, some days have too few orders for `ECOM_ORDER_CUSTOMERS_OVER`.
"""
STAYING = (1.0, 0.45, 0.25, 0.15)
"""Shares of a month's new people who come in it, and one, two and three months later."""
_FIRST_YEAR = 1999
_FIRST_BOT = 50_000_000
_NUMBERS_PER_MONTH, _VISITS_PER_MONTH, _LINES_PER_MONTH = 2**32, 2**26, 10**6
_LOCK = ".growing"
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class LivingShop:
    """A shop in a folder that is simulated up to a given day.

    Attributes:
        folder: Where its files are.
        until: Its last day.
        seed: Seed of everything that happens in it.
        new_people: People who come for the first time in a month.
        days_before: Days before its last one that a new shop has at least.
        all_signed_in: Whether the shop knows of each event whose it is; see `Cast`.
    """

    folder: Path
    until: date
    seed: int = SEED
    new_people: int = NEW_PEOPLE
    days_before: int = DAYS_BEFORE
    all_signed_in: bool = False

    @classmethod
    def in_folder(cls, folder: Path, until: date, days_before: int = DAYS_BEFORE) -> "LivingShop":
        """Return the shop that a folder holds, or a new one of the usual size,
        to go on until a day.
        """
        truth = truth_of(folder)
        if truth is None:
            return cls(folder, until, days_before=days_before)
        return cls(folder, until, truth["settings"]["seed"], truth["settings"]["new_people"])

    def grow(self, progress: Callable[[int, int], None] = lambda _done, _all: None) -> None:
        """Write the days that the folder lacks, and at the end the truth about all of them.

        A killed process leaves days without their truth; the next one writes the same bytes again.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            truth = truth_of(self.folder)
            last = last_day(truth) if truth else None
            if last is not None and last >= self.until:
                return
            first = first_day(truth) if truth else opening_day(self.until, self.days_before)
            months = dict(truth["months"]) if truth else {}
            begin = first if last is None else last + ONE_DAY
            for month in months_between(begin, self.until):
                truth_of_month = self._write_month(month, begin, first, progress)
                months[f"{month:%Y-%m}"] = truth_of_month
            with replacing(self.folder / "costs.csv") as costs:
                dice = Dice(self.seed)
                write_costs(Costs.of_shop(dice, make_catalogue(dice)), first, self.until, costs)
            advertising = Advertising(Dice(self.seed), self.new_people * sum(STAYING) / 30, first)
            ads = self.folder / AD_SPEND
            # A shop of an earlier version has none of its days.
            advertising.write(begin if ads.is_dir() else first, self.until, ads)
            credit = advertising.truth(self.until, _brought(months.values()))
            self._write_truth(first, months, credit)

    def _write_month(
        self, month: date, begin: date, first: date, progress: Callable[[int, int], None]
    ) -> dict[str, object]:
        """Write the days of a month from `begin` on,
        and return the truth about all its days up to the last; `first` is the shop's first day.
        """
        shop, orders = self.month(month), []
        for rows in shop.simulate():
            orders.append(rows.orders)
            day = month + rows.day * ONE_DAY
            if day >= begin:
                self._replace_day(day, shop.columns.table(rows.arrived))
                progress((day - begin).days + 1, (self.until - begin).days + 1)
        with replacing(self.folder / "catalogue.parquet") as catalogue:
            shop.write_catalogue(catalogue, round(self.new_people * sum(STAYING)))
        self._write_orders(shop, orders, begin)
        former = (month - ONE_DAY).replace(day=1)
        before = self.month(former).visits() if former >= first else SourcedVisits.joined(())
        truth = shop.truth({"first_day": month.isoformat(), "days": shop.until})
        return truth | {"brought_by_source": shop.brought(before)}

    def month(self, month: date, until: date | None = None) -> Shop:
        """Return the simulation of a month, up to the shop's last day."""
        days = (next_month(month) - month).days
        over = min(((until or self.until) - month).days + 1, days)
        return Shop(self.seed, self.cast(month), over)

    def cast(self, month: date) -> Cast:
        """Return the people who visit in a month: new ones,
        and those of earlier months who stay.
        """
        index = _month_index(month)
        dice = Dice(self.seed)
        newest = index * self.new_people
        cohorts = [(newest - age * self.new_people, share) for age, share in enumerate(STAYING)]
        groups = [
            np.arange(begin, begin + self.new_people, dtype=np.int64)
            for begin, _ in reversed(cohorts)
        ]
        shares = [share for _, share in reversed(cohorts)]
        people = np.concatenate(
            [
                group[dice.chance(share, "stays", group)]
                for group, share in zip(groups, shares, strict=True)
            ]
        )
        return Cast(
            month,
            (next_month(month) - month).days,
            people,
            first_bot=_FIRST_BOT,
            schedule_seed=self.seed * 100_000 + index,
            known_before=people < newest,
            visits_before=index * _VISITS_PER_MONTH,
            events_before=index * _NUMBERS_PER_MONTH,
            days_before=(month - date(1970, 1, 1)).days,
            eager=EAGER,
            all_signed_in=self.all_signed_in,
        )

    def _replace_day(self, day: date, table: pa.Table) -> None:
        """Write the landing folder of a finished day,
        which replaces what had arrived during the day.
        """
        landing, partial = self.folder / "events" / f"received_date={day}", self.folder / ".partial"
        shutil.rmtree(partial, ignore_errors=True)
        write_parquet(table, partial / "new" / "part-00000.parquet")
        landing.parent.mkdir(exist_ok=True)
        if landing.exists():
            landing.rename(partial / "old")
        (partial / "new").rename(landing)
        shutil.rmtree(partial)

    def _write_orders(self, shop: Shop, orders: list[Rows], begin: date) -> None:
        """Write the order lines of the days from `begin` on, a file for each day."""
        first_line = _month_index(shop.cast.first_day) * _LINES_PER_MONTH
        report = OrderLineBuilder(shop.world, shop.columns, first_line)
        lines = pa.concat_tables([report.lines(rows) for rows in orders])
        day_of_line = pc.cast(lines["date_time"], pa.date32())
        for day in pc.unique(day_of_line).to_pylist():
            if day >= begin:
                write_parquet(
                    lines.filter(pc.equal(day_of_line, day)),
                    self.folder / "orders.parquet" / f"{day}.parquet",
                )

    def _write_truth(
        self, first: date, months: dict[str, Any], advertising: dict[str, object]
    ) -> None:
        settings = {
            "seed": self.seed,
            "new_people": self.new_people,
            "first_day": first.isoformat(),
            "days": (self.until - first).days + 1,
            "until": self.until.isoformat(),
        }
        truth = {
            "generator": GENERATOR,
            "settings": settings,
            "months": months,
            "advertising": advertising,
        }
        replace_bytes(self.folder / "truth.json", (json.dumps(truth, indent=1) + "\n").encode())


def _brought(months: Iterable[dict[str, Any]]) -> dict[str, dict[str, int]] | None:
    """Return what each source brings in all months; None where a month of an earlier version does
    not say it.
    """
    sums: dict[str, dict[str, int]] = {}
    for month in months:
        if "brought_by_source" not in month:
            return None
        for source, brought in month["brought_by_source"].items():
            of_source = sums.setdefault(source, {})
            for name, value in brought.items():
                of_source[name] = of_source.get(name, 0) + value
    return sums


def next_month(month: date) -> date:
    """Return the first day of the month after a month that is given by its first day."""
    return (month + 31 * ONE_DAY).replace(day=1)


def months_between(first: date, last: date) -> Iterator[date]:
    """Yield the first day of each month that has one of the days."""
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = next_month(month)


def _month_index(month: date) -> int:
    return (month.year - _FIRST_YEAR) * 12 + month.month - 1


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time write to the folder of a shop;
    the lock of a killed process is released.
    """
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def living_customers(truth: dict[str, Any]) -> ShopCustomers:
    """Return all customers of a living shop, as its customer API returns them.

    A person's record depends on the month of their first visit only, so that it does not change as
    the shop grows.
    """
    seed, new_people = truth["settings"]["seed"], truth["settings"]["new_people"]
    first, last = first_day(truth).replace(day=1), last_day(truth)
    opened = first
    for _ in STAYING[1:]:
        opened = (opened - ONE_DAY).replace(day=1)
    return joined_customers(
        [
            make_customers(
                seed=seed,
                visitors=new_people,
                first_day=month,
                days=0,
                first_person=_month_index(month) * new_people,
            )
            for month in months_between(opened, last)
        ]
    )


FILE_US = 600 * SECOND
"""Each file holds the rows that arrive within ten minutes."""
FILE_NAME = "live-{:%H%M}.parquet"
SENT_NAME = "sent.json"


class DayInProgress:
    """A day of a living shop, and the folder that its events arrive in."""

    def __init__(self, shop: LivingShop, day: date) -> None:
        """Simulate the day, after those of its month before it."""
        simulated = shop.month(day.replace(day=1), day)
        *_, today = simulated.simulate()
        self.day = day
        self._shop_folder = shop.folder
        self._rows: pa.Table = simulated.columns.table(today.arrived)
        self._received = today.arrived["received"]
        self._written = 0

    @property
    def folder(self) -> Path:
        """Return the landing folder of the day."""
        return self._shop_folder / "events" / f"received_date={self.day}"

    def arrive(self, now: datetime) -> int:
        """Write what has arrived by now, and return how many rows are new;
        none once the day's own file is there.
        """
        count = int(np.searchsorted(self._received, int(now.timestamp() * SECOND), side="right"))
        if count == self._written:
            return 0
        with locked(self._shop_folder):
            truth = truth_of(self._shop_folder)
            if truth is None or last_day(truth) >= self.day:
                return 0
            self._write(self._written, count)
        new, self._written = count - self._written, count
        return new

    def send(self, now: datetime, sink: Callable[[Sequence[dict[str, Any]]], None]) -> int:
        """Send what has arrived since the last time through a sink,
        and return how many rows are new.

        What had arrived before the sink was first used today is written as files. After a kill,
        some events may be sent twice, with the same ids.
        """
        count = int(np.searchsorted(self._received, int(now.timestamp() * SECOND), side="right"))
        noted = self._sent()
        if noted is None:
            self.arrive(now)
        elif noted < count:
            sink(self._rows.slice(noted, count - noted).to_pylist())
        if noted != count:
            replace_bytes(
                self._shop_folder / SENT_NAME, json.dumps([self.day.isoformat(), count]).encode()
            )
        return count - (noted or 0)

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows of the day."""
        result: list[dict[str, Any]] = self._rows.to_pylist()
        return result

    def _sent(self) -> int | None:
        """Return how many rows of the day are sent or written;
        None if the sink was not used today.
        """
        try:
            day, count = json.loads((self._shop_folder / SENT_NAME).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return int(count) if day == self.day.isoformat() else None

    def _write(self, begin: int, end: int) -> None:
        """Write each file that has a row from `begin` to `end`, whole."""
        file_of = self._received // FILE_US
        for number in np.unique(file_of[begin:end]).tolist():
            first, after = (int(np.searchsorted(file_of, bound)) for bound in (number, number + 1))
            opened = datetime.fromtimestamp(number * FILE_US / SECOND, UTC)
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / FILE_NAME.format(opened)
            with replacing(path) as fresh:
                write_parquet(self._rows.slice(first, min(after, end) - first), fresh)
            if (
                after <= end and begin == 0
            ):  # it arrived before anybody looked, and real time need not read it
                ended = (opened + timedelta(microseconds=FILE_US)).timestamp()
                os.utime(path, (ended, ended))

"""The days that a source marks as complete; `tables/source_gate.py` decides how this is used."""

import glob
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from ecom_assets.events.contracts import RawEvents
from ecom_assets.orders.contracts import RawUserOrderLog
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.events import events_place, is_table
from ecom_assets.sources.order_reports.source import has_events, orders_place
from ecom_assets.tables.contract import Table

MARK = "_SUCCESS"
"""The file that Spark and Hadoop write into a folder when it is complete."""
_LANDING = re.compile(r"(?:received_date|increment_date)=(\d{4}-\d{2}-\d{2})")


def whole_days(settings: Settings, contract: type[Table]) -> frozenset[date]:
    """Return the days whose landing folders contain the marker of a complete folder.

    Only files of events and orders can have it.
    """
    places: list[str] = []
    if contract is RawEvents and has_events(settings) and not is_table(settings):
        places = events_place(settings)
    elif contract is RawUserOrderLog:
        places = orders_place(settings)
    return frozenset(day for place in places for day in _marked(place))


def _marked(place: str) -> Iterator[date]:
    folders = [Path(place)] if Path(place).is_dir() else [Path(one) for one in glob.glob(place)]  # noqa: PTH207 (absolute globs too)
    for folder in (one for one in folders if one.is_dir()):
        for mark in (folder / MARK, *folder.glob(f"*/{MARK}")):
            landed = _LANDING.fullmatch(mark.parent.name)
            if landed and mark.is_file():
                yield date.fromisoformat(landed[1])

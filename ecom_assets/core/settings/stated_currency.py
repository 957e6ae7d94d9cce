"""The currency that loaded files state,
which is that of all amounts where ECOM_CURRENCY is not set.

It is kept in the home, by source and day of arrival, so that everything that shows amounts knows
it.
"""

import json
from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path
from typing import Final

from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.file_lock import file_lock

FILE: Final = "currency.json"
LOCK: Final = "currency.lock"
Notes = dict[str, dict[str, list[str]]]
"""The currencies of the amounts that arrived on a day, by source and day."""


def stated_currency(home: Path) -> str:
    """Return the currency that all loaded files state; empty where they state none, or several."""
    names = {
        name
        for days in _notes(home).values()
        for currencies in days.values()
        for name in currencies
    }
    return names.pop() if len(names) == 1 else ""


def note_currencies(home: Path, source: str, days: Iterable[date], names: Collection[str]) -> None:
    """Note the currencies of the amounts of a source that arrived on some days,
    in place of earlier notes.
    """
    if not names and source not in _notes(home):
        return
    home.mkdir(parents=True, exist_ok=True)
    with file_lock(home / LOCK):  # runs over other sources may note theirs at the same time
        notes = _notes(home)
        of_days = {str(day): sorted(names) for day in days}
        kept = {**notes.get(source, {}), **of_days}
        changed = {
            **notes,
            source: {day: currencies for day, currencies in kept.items() if currencies},
        }
        if changed != {source: {}, **notes}:
            replace_bytes(home / FILE, json.dumps(changed, sort_keys=True).encode())


def forget_currencies(home: Path) -> None:
    """Remove all notes, as no data are loaded any more."""
    (home / FILE).unlink(missing_ok=True)


def _notes(home: Path) -> Notes:
    try:
        notes: Notes = json.loads((home / FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return notes

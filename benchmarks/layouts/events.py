"""Events of a small shop written in one layout by chance, with what they must come to."""

import csv
import io
import json
import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from benchmarks.layouts.names import EVENT_HEADS, EVENT_WORDS
from benchmarks.layouts.small_shop import Event, events_of

TYPES: Final = EVENT_WORDS[0]
FORMS: Final = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%Y%m%d%H%M%S",
    "epoch_s",
    "epoch_ms",
)


@dataclass
class EventFile:
    """A file of events, what it must come to, and what a person knows about it."""

    path: Path
    by_type: Counter[str]
    visitors: set[str]
    amount: Decimal
    heads: dict[str, str]
    meanings: dict[str, str]
    zone: str
    form: str
    encoding: str
    about: str


def event_file(seed: int, folder: Path) -> EventFile:
    """Write the events of a seed to a file in a folder, and return what is known of it."""
    rng = random.Random(seed * 7 + 1)  # noqa: S311 (layouts by chance, no secrets)
    events = events_of(rng)
    words = dict(zip(TYPES, rng.choice(EVENT_WORDS), strict=True))
    heads = {field: rng.choice(names[rng.random() < 0.5]) for field, names in EVENT_HEADS.items()}
    form, zone = rng.choice(FORMS), rng.choice(("UTC", "Europe/Berlin", "America/New_York"))
    has_amount, has_session = rng.random() < 0.7, rng.random() < 0.6
    is_json = rng.random() < 0.4
    delimiter, encoding = rng.choice(",;\t|"), rng.choice(("utf-8", "utf-8-sig", "utf-16"))
    fields = [name for name in heads if name not in {"cart_value", "session_id"}]
    fields += [*(["cart_value"] if has_amount else []), *(["session_id"] if has_session else [])]
    rng.shuffle(fields)
    heads = {name: heads[name] for name in fields}
    rows = [_row(event, fields, words, form, zone) for event in events]
    extra = rng.random() < 0.5
    about = f"events {form} {zone} {'json' if is_json else delimiter} {encoding} {words}"
    path = folder / ("events.ndjson" if is_json else "events.csv")
    if is_json:
        encoding = "utf-8"
        lines = [
            json.dumps(
                {
                    **{heads[n]: v for n, v in row.items() if v is not None},
                    **_more(n, is_there=extra),
                }
            )
            for n, row in enumerate(rows)
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        out = io.StringIO()
        table = csv.DictWriter(
            out, [*heads.values(), *_more(0, is_there=extra)], delimiter=delimiter
        )
        table.writeheader()
        for n, row in enumerate(rows):
            cells = {heads[n]: "" if v is None else v for n, v in row.items()}
            table.writerow({**cells, **_more(n, is_there=extra)})
        path.write_bytes(out.getvalue().encode(encoding))
    amount = sum((e.amount for e in events if e.amount and has_amount), Decimal())
    return EventFile(
        path,
        Counter(event.event_type for event in events),
        {event.visitor for event in events},
        amount,
        heads,
        {word: name for name, word in words.items()},
        zone,
        form,
        encoding,
        about,
    )


def _more(n: int, *, is_there: bool) -> dict[str, Any]:
    return {"browser": ("Firefox", "Safari")[n % 2], "duration": n % 90} if is_there else {}


def _row(
    event: Event, fields: list[str], words: dict[str, str], form: str, zone: str
) -> dict[str, Any]:
    values: dict[str, Any] = {
        "event_timestamp": _time(event.at, form, zone),
        "event_type": words[event.event_type],
        "user_id": event.visitor,
        "session_id": event.session,
        "product_id": event.sku if event.event_type != "page_view" else None,
        "cart_value": None if event.amount is None else float(event.amount),
    }
    return {name: values[name] for name in fields}


def _time(at: datetime, form: str, zone: str) -> Any:  # noqa: ANN401 (a number or a text)
    if form.startswith("epoch"):
        return int(at.timestamp() * (1000 if form == "epoch_ms" else 1))
    return at.astimezone(UTC if form.endswith("Z") else ZoneInfo(zone)).strftime(form)

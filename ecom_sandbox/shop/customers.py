"""The customers of the simulated shop as its customer API returns them, with realistic flaws,
and the ground truth.

Every visitor is a customer. Names, cities and ids match the orders; ids match the events.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from ecom_sandbox.shop.orders import names_of
from ecom_sandbox.shop.people import known_customer_id
from ecom_sandbox.shop.rows import Dice, Ints
from ecom_sandbox.shop.traffic import CITIES
from ecom_sandbox.shop.visits import city_of

Record = dict[str, Any]
DAYS_BEFORE = 400
"""Customers registered up to this many days before the first day."""
_DAY_S = 86_400
_REGIONS = {"New York": "NY", "Chicago": "IL", "Los Angeles": "CA"}
_MAILBOXES = ("example.com", "mail.example.org", "post.example.net")
_MALFORMED = (
    "{name}(at)example.com",
    "{name}@",
    "@example.com",
    "{name} @example.com",
    "{name}@example",
    "n/a",
)
_NAMES = (
    ("Zoë", "Łukasiewicz"),
    ("李", "小龙"),
    ("Ольга", "Волкова"),
    ("Jose\u0301", "Núñez"),
    ("محمد", "علي"),
    ("O'Neil-Å", "D\u2019Arcy"),
)
_NAME = ("first_name", "last_name")
_EMPTY = (("", ""), ("   ", "\t"), (None, None))
_INVALID_DATES = ("0000-00-00", "2026-02-30T10:00:00Z", "yesterday", "")
FUTURE = "2999-01-01T00:00:00Z"
_SHARES = {
    "missing_email": 0.03,
    "malformed_email": 0.03,
    "invalid_date": 0.02,
    "future_date": 0.01,
    "missing_date": 0.02,
    "unicode_name": 0.04,
    "empty_name": 0.02,
    "older_copy": 0.02,
}
FLAWS = tuple(_SHARES)
"""The flaws of customers; a customer has at most one."""


@dataclass(frozen=True)
class ShopCustomers:
    """The records that the API returns, and their ground truth."""

    records: list[Record]
    """Sorted by id; then older copies of some, as if an import had left them."""
    truth: dict[str, Any]


def make_customers(
    *, seed: int, visitors: int, first_day: date, days: int, first_person: int = 0
) -> ShopCustomers:
    """Return the customers of the shop that `generate` creates from the same arguments.

    `first_person` is the id of the first of them, where they are some of the people of a shop.
    """
    dice, people = Dice(seed), np.arange(first_person, first_person + visitors, dtype=np.int64)
    records = _sound(dice, people, first_day, days)
    copies: list[Record] = []
    flaws = _flaws(dice, people)
    for person, flaw in flaws.items():
        record, choice = (
            records[person],
            int(dice.below(60, "customer flaw kind", people[person : person + 1])[0]),
        )
        if flaw == "older_copy":
            # Their record of 30 days earlier, with another address.
            moved = {"city": "Bremen", "region": None, "country": "DE"}
            copies.append({**record, **moved, "updated_at": earlier(record["updated_at"], days=30)})
        else:
            _spoil(record, flaw, choice)
    copies.sort(key=lambda record: int(record["id"]))
    return ShopCustomers([*records, *copies], _truth(records, copies, Counter(flaws.values())))


def joined_customers(groups: list[ShopCustomers]) -> ShopCustomers:
    """Return the customers of all groups, given by ascending ids."""
    sizes = [group.truth["customers"] for group in groups]
    records = [
        record for group, size in zip(groups, sizes, strict=True) for record in group.records[:size]
    ]
    copies = [
        record for group, size in zip(groups, sizes, strict=True) for record in group.records[size:]
    ]
    flaws = sum((Counter(group.truth["flaws"]) for group in groups), Counter[str]())
    return ShopCustomers([*records, *copies], _truth(records, copies, flaws))


def _sound(dice: Dice, people: Ints, first_day: date, days: int) -> list[Record]:
    """Return a record for each person, without flaws."""
    begin = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC) - timedelta(
        days=DAYS_BEFORE
    )
    created = dice.below(DAYS_BEFORE * _DAY_S, "customer created", people)
    whole_s = (DAYS_BEFORE + days) * _DAY_S
    updated = created + (dice.unit("customer updated", people) * (whole_s - created)).astype(
        np.int64
    )
    seen = created + (dice.unit("customer login", people) * (whole_s - created)).astype(np.int64)
    answered = dice.below(10, "customer consent", people)
    mailbox = dice.below(len(_MAILBOXES), "customer mailbox", people).tolist()
    ids, cities, names = (
        known_customer_id(people).tolist(),
        city_of(dice, people).tolist(),
        names_of(dice, people),
    )
    return [
        {
            "id": ids[i],
            "email": f"{names[i][0]}.{names[i][1]}.{ids[i]}@{_MAILBOXES[mailbox[i]]}".lower(),
            "first_name": names[i][0],
            "last_name": names[i][1],
            "city": CITIES[cities[i]][0],
            "region": _REGIONS.get(CITIES[cities[i]][0]),
            "country": CITIES[cities[i]][1],
            "created_at": _instant(begin, int(created[i])),
            "updated_at": _instant(begin, int(updated[i])),
            "last_login_at": _instant(begin, int(seen[i])),
            **_consent(int(answered[i]), _instant(begin, int(created[i]))),
        }
        for i in range(len(people))
    ]


def _consent(answered: int, created: str) -> Record:
    """Return what a record says of e-mails: 6 in 10 agreed, 2 refused, 2 were never asked."""
    if answered >= 8:  # noqa: PLR2004 (of ten)
        return {}
    return {"has_email_consent": answered < 6, "email_consent_at": created}  # noqa: PLR2004 (of ten)


def _flaws(dice: Dice, people: Ints) -> dict[int, str]:
    """Return the flaw of each flawed person: each flaw has its share,
    and at least one if there are enough people.
    """
    order = np.argsort(dice.bits("customer flaw", people), kind="stable").tolist()
    flawed: dict[int, str] = {}
    for flaw, share in _SHARES.items():
        count = max(1, round(share * len(people)))
        flawed |= dict.fromkeys(order[len(flawed) : len(flawed) + count], flaw)
    return flawed


def _instant(begin: datetime, seconds: int) -> str:
    return (begin + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _spoil(record: Record, flaw: str, choice: int) -> None:
    """Give a record a flaw, of which `choice` selects one of several forms."""
    if flaw == "missing_date" and choice % 2:
        del record["created_at"]
    email = _MALFORMED[choice % len(_MALFORMED)].format(name=str(record["first_name"]).lower())
    changes: dict[str, Record] = {
        "missing_email": {"email": (None, "")[choice % 2]},
        "malformed_email": {"email": email},
        "invalid_date": {"created_at": _INVALID_DATES[choice % len(_INVALID_DATES)]},
        "future_date": {"last_login_at": FUTURE},
        "missing_date": {"last_login_at": None},
        "unicode_name": dict(zip(_NAME, _NAMES[choice % len(_NAMES)], strict=True)),
        "empty_name": dict(zip(_NAME, _EMPTY[choice % len(_EMPTY)], strict=True)),
    }
    record |= changes[flaw]


def earlier(instant: str, **by: int) -> str:
    """Return a time of a record, moved back by the given `timedelta` arguments."""
    return (datetime.fromisoformat(instant) - timedelta(**by)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _truth(records: list[Record], copies: list[Record], flaws: Counter[str]) -> dict[str, Any]:
    return {
        "customers": len(records),
        "records": len(records) + len(copies),
        "copies": len(copies),
        "flaws": {name: flaws[name] for name in FLAWS},
        "by_country": dict(sorted(Counter(record["country"] for record in records).items())),
    }

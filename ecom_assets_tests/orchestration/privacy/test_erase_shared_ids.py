"""Erasing the first of events that share an id: the others keep their names,
so that no tool gets one twice.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from ecom_assets.behaviour.events.clean import CleaningRule
from ecom_assets.behaviour.events.contracts import CleanEvents, KeptEventIds, RawEvents
from ecom_assets.core.tables.days import Days
from ecom_assets.orchestration.privacy.person import Person
from ecom_assets.orchestration.privacy.warehouse_rows import delete_raw_rows
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.command import FEW_TABLES, HEADER, ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.orchestration.privacy.few_tables import compute_only_what_was_made
from ecom_assets_tests.platform import Platform

DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=3))
TABLES = ("duplicate_events", "events")
PEOPLE = ("eve", "anna", "ben")


@pytest.fixture(scope="module")
def opened() -> Iterator[Platform]:
    platform = Platform()
    yield platform
    platform.close()


def buys(
    user: str,
    clock: str,
    amount: str,
    *,
    event_type: str = "purchase",
    copies: int = 1,
    **values: str,
) -> list[Row]:
    """Return the rows of an event whose id others have, too; all copies are equal."""
    row = received(
        "o-5001",
        at(clock),
        event_type=event_type,
        user_id=user,
        cart_amount=Decimal(amount),
        cart_value=amount,
        received_at=at(clock),
        **values,
    )
    return [row] * copies


ROWS = [
    *buys("eve", "08:00", "-0.01", event_type="refund"),
    *buys("anna", "09:00", "59.90", copies=2),
]
ROWS += buys("ben", "+1 09:00", "20.00", properties='{"order_id": "o-1"}')
ROWS += buys("ben", "+1 09:01", "20.00", properties='{"order_id": "o-2"}')
"""Four events of one id, two orders of Ben on another day; what was paid back is a
positive amount in clean events.
"""


def names(platform: Platform) -> dict[str, list[str]]:
    """Return the ids of each person's events."""
    platform.run(DAYS, only=TABLES)
    ids: dict[str, list[str]] = {}
    for row in platform.rows(CleanEvents):
        ids.setdefault(row["user_id"], []).append(row["event_id"])
    return {user: sorted(of_user) for user, of_user in ids.items()}


@pytest.mark.slow
@each("order", [PEOPLE[n:] + PEOPLE[:n] for n in range(len(PEOPLE))])
def test_whoever_is_erased_the_others_keep_their_ids(
    opened: Platform, order: tuple[str, ...]
) -> None:
    """Each of them is the first, the second and the last who goes."""
    opened.clear()
    opened.engine.ensure(KeptEventIds)
    opened.engine.execute(f"DELETE FROM {opened.engine.name_of(KeptEventIds)}")
    opened.receive(ROWS, DAYS)
    before = names(opened)
    assert before["eve"] == ["o-5001"]
    assert (len(before["anna"]), len(before["ben"])) == (1, 2)
    assert all(event_id.startswith("o-5001~") for event_id in before["anna"] + before["ben"])
    for erased in order:
        assert delete_raw_rows(
            opened.engine,
            RawEvents,
            Person(users=(erased,)).completed(opened.engine),
            "test",
            CleaningRule(),
        )
        del before[erased]
        assert names(opened) == before
        assert names(opened) == before, "a later run gives the same names"
    assert opened.rows(KeptEventIds) == [], "nothing is noted of those who are gone"


@pytest.mark.slow
def test_a_new_event_of_the_id_does_not_get_that_of_the_erased_one(opened: Platform) -> None:
    opened.clear()
    opened.receive(ROWS, DAYS)
    before = names(opened)
    delete_raw_rows(
        opened.engine,
        RawEvents,
        Person(users=("eve",)).completed(opened.engine),
        "test",
        CleaningRule(),
    )
    left = [row for row in ROWS if row["user_id"] != "eve"]
    opened.receive([*left, *buys("carl", "10:00", "7.00")], DAYS)
    actual = names(opened)
    assert {name: actual[name] for name in ("anna", "ben")} == {
        name: before[name] for name in ("anna", "ben")
    }
    assert actual["carl"][0].startswith("o-5001~")


@pytest.mark.slow
def test_a_real_erasure_keeps_the_ids_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute_only_what_was_made(monkeypatch)
    home, file = tmp_path / "home", tmp_path / "events.csv"
    lines = [
        f"o-5001,eve,purchase,{date(2026, 1, 10)}T08:00:00Z,p1,shoes,s1,,,0.01",
        f"o-5001,anna,purchase,{date(2026, 1, 10)}T09:00:00Z,p1,shoes,s2,,,59.90",
    ]
    file.write_text("\n".join((HEADER, *lines)) + "\n")
    assert ecom("run", "--events", file, *FEW_TABLES, home=home).exit_code == 0

    def stored() -> dict[str, str]:
        with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
            return dict(con.execute("SELECT user_id, event_id FROM staging.events").fetchall())

    name = stored()["anna"]
    assert name.startswith("o-5001~")
    result = ecom("erase", "--customer", "eve", "--yes", home=home)
    assert result.exit_code == 0, result.err
    assert stored() == {"anna": name}

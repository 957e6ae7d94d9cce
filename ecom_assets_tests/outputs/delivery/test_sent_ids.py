"""Tools know a person by the id that they were sent first, however it is spelled later."""

import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from ecom_assets.core.state.database import Database
from ecom_assets.core.state.ledger_store import open_store
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.spellings import spelled
from ecom_assets.ingestion.sources.mapping_file import shipped_file
from ecom_assets.outputs.delivery.ids_until_now import note_delivered_ids
from ecom_assets.outputs.delivery.ledger import sent_ids
from ecom_assets.outputs.delivery.ledger.sent_ids import SentIds, declared_key, spellings_sent
from ecom_assets_tests.builders import Row, received
from ecom_assets_tests.outputs.delivery.delivered_shop import DeliveredShop

MONDAY = date(2026, 3, 9)
TUESDAY = MONDAY + timedelta(days=1)


class ShopWithPeople(DeliveredShop):
    """A shop whose tool keeps which person each record is of."""

    def __init__(self, home: Path) -> None:
        """Open it with a mapping that does not say what the id of a user is."""
        super().__init__(home)
        self.people: dict[str, str] = {}
        self.tool.before.append(self._keep)
        mapping = home / "events.yaml"
        plain = shipped_file("mappings/ecommerce.yaml").replace(
            "column: user_id, key: address", "column: user_id"
        )
        mapping.write_text(plain)
        self.settings = self.settings.model_copy(update={"events_mapping": str(mapping)})

    def declare_addresses(self) -> None:
        """Let the mapping say that the id of a user is an e-mail address."""
        self.settings = self.settings.model_copy(update={"events_mapping": "ecommerce"})

    def _keep(self, batch: pa.Table) -> None:
        self.tool.before.append(self._keep)  # each is called once
        ids = (record.partition("@")[0] for record in batch["record_id"].to_pylist())
        self.people.update(zip(ids, batch["user_key"].to_pylist(), strict=True))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ShopWithPeople]:
    opened = ShopWithPeople(tmp_path)
    yield opened
    opened.close()


def event(event_id: str, day: date, who: str) -> Row:
    return received(
        event_id, datetime.combine(day, datetime.min.time()).replace(hour=9), user_id=who
    )


def test_a_new_spelling_makes_no_new_user(shop: ShopWithPeople) -> None:
    """Ann and number 100 are delivered on Monday; on Tuesday a key is declared,
    and both days are computed again.
    """
    shop.land(
        [event("m1", MONDAY, "Ann@X.de"), event("m2", MONDAY, "100.0"), event("m3", MONDAY, "ben")]
    )
    shop.deliver(Days((MONDAY,)))
    shop.declare_addresses()
    monday = [
        event("m1", MONDAY, "ann@x.de"),
        event("m2", MONDAY, "100"),
        event("m3", MONDAY, "ben"),
    ]
    people = ("ann@x.de", "100", "ben", "eva@x.de")
    shop.land([*monday, *(event(f"t{number}", TUESDAY, who) for number, who in enumerate(people))])
    again = shop.deliver(Days((MONDAY, TUESDAY)))
    assert (again.total.sent, again.total.changed) == (4, 0)  # Monday is as it was delivered
    assert shop.people == {
        "m1": "Ann@X.de",
        "m2": "100.0",
        "m3": "ben",
        "t0": "Ann@X.de",
        "t1": "100.0",
        "t2": "ben",
        "t3": "eva@x.de",
    }


def test_without_a_key_another_case_is_another_user(shop: ShopWithPeople) -> None:
    shop.land([event("m1", MONDAY, "Ann@X.de")])
    shop.deliver(Days((MONDAY,)))
    shop.land([event("m1", MONDAY, "Ann@X.de"), event("t1", TUESDAY, "ann@x.de")])
    shop.deliver(Days((MONDAY, TUESDAY)))
    assert shop.people == {"m1": "Ann@X.de", "t1": "ann@x.de"}


def test_what_could_not_be_sent_is_not_kept(shop: ShopWithPeople) -> None:
    shop.land([{**event("m1", MONDAY, "Ann@X.de"), "event_type": "bad"}])
    shop.deliver(Days((MONDAY,)))
    shop.declare_addresses()
    shop.land([event("t1", TUESDAY, "ann@x.de")])
    shop.deliver(Days((TUESDAY,)))
    assert shop.people == {"t1": "ann@x.de"}


def test_a_migration_keeps_the_ids_of_earlier_deliveries(shop: ShopWithPeople) -> None:
    """Deliveries of a version that kept no ids, whose events still have the old spelling."""
    shop.land(
        [
            event("m1", MONDAY, "Ann@X.de"),
            event("m2", MONDAY, "ben"),
            event("t1", TUESDAY, "EVA@x.de"),
        ]
    )
    shop.deliver(Days((MONDAY,)))
    with closing(open_store(shop.settings)) as store, store.transaction():
        sent_ids.forget(store, ["Ann@X.de"])
    assert note_delivered_ids(shop.settings, shop.engine) == 1  # nothing of Eva was delivered
    shop.declare_addresses()
    shop.land([event("t1", TUESDAY, "ann@x.de"), event("t2", TUESDAY, "eva@x.de")])
    shop.deliver(Days((TUESDAY,)))
    assert shop.people == {"m1": "Ann@X.de", "m2": "ben", "t1": "Ann@X.de", "t2": "eva@x.de"}


@pytest.fixture
def store(shop: ShopWithPeople) -> Iterator[Database]:
    shop.land([event("m1", MONDAY, "ben")])
    shop.deliver(Days((MONDAY,)))
    with closing(open_store(shop.settings)) as opened:
        yield opened


def test_erasure_finds_and_removes_what_tools_were_sent(store: Database) -> None:
    with store.transaction():
        for account, id_ in (
            ("a", "Ann@X.de"),
            ("b", " ann@x.de"),
            ("a", "'123"),
            ("a", "123.0"),
            ("a", "#1001"),
        ):
            sent_ids.note(store, account, [id_], "2026-03-09")
    assert spellings_sent(store, ["ann@x.de"]) == (" ann@x.de", "Ann@X.de")
    assert spellings_sent(store, ["123"]) == ("'123", "123.0")
    assert spellings_sent(store, ["1001"]) == ("#1001",)
    assert spellings_sent(store, ["1234"]) == ()
    with store.transaction():
        sent_ids.forget(store, ["ann@x.de", *spellings_sent(store, ["ann@x.de"])])
    assert spellings_sent(store, ["ann@x.de"]) == ()
    assert SentIds.read(store, "b", "address").noted == frozenset()


def test_the_mappings_say_what_an_id_is(shop: ShopWithPeople) -> None:
    assert declared_key(shop.settings, "heap_events") is None
    assert declared_key(shop.settings, "heap_users") == "address"  # by the mapping of orders
    shop.declare_addresses()
    assert declared_key(shop.settings, "heap_events") == "address"


VARIANTS = (
    "Ann@X.de",
    "ann@X.de",
    "ann@x.de",
    " ann@x.de",
    "'7",
    "7.0",
    "7",
    "07",
    "Ben",
    "ben",
    "é@X.de",
)


def due_rows(ids: Sequence[str]) -> pa.Table:
    """Return due rows of people with some ids."""
    return pa.table({"user_id": pa.chunked_array([pa.array(ids, pa.string())])})


def test_each_person_keeps_the_id_that_was_sent_first(store: Database) -> None:
    """By a few lines of Python, in 100 accounts: of ids that are spelled
    otherwise today, the first.
    """
    dice = random.Random(1)  # noqa: S311 (a story, not a secret)
    for account in map(str, range(100)):
        sent, due = dice.choices(VARIANTS, k=dice.randint(0, 6)), dice.choices(VARIANTS, k=6)
        for minute, id_ in enumerate(sent):
            with store.transaction():
                new = SentIds.read(store, account, "address").not_noted(due_rows([id_]))
                sent_ids.note(store, account, new, f"2026-03-09T10:0{minute}:00")
        kept = [id_ for id_ in dict.fromkeys(sent) if spelled(id_, "address") != id_]
        first = SentIds.read(store, account, "address")
        assert first.noted == {*kept}
        assert not first.not_noted(due_rows(sent))
        by_spelling = {spelled(id_, "address"): id_ for id_ in reversed(kept)}
        now = [spelled(id_, "address") for id_ in due]
        as_sent = first.as_sent(due_rows(now))["user_id"].to_pylist()
        assert as_sent == [by_spelling.get(id_, id_) for id_ in now]

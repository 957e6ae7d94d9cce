"""What a stranger sends with a key that stands in a page: own rows,
which change the visitor of no other one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any, Final

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.identity.contracts import MergedUsers
from ecom_assets.behaviour.identity.links import alias_events, identity_links, shared_ids
from ecom_assets.behaviour.identity.rule import PRESETS, IdentityRule
from ecom_assets.behaviour.identity.visitors import KnownIds, with_visitors, with_visitors_of_all
from ecom_assets.core.tables.portable import rows_of, schema_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import at
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

Event = dict[str, Any]
PAGE, SERVER = "public-key:1a2b3c4d", "key:5e6f7a8b"
KINDS = {
    "event_id": pa.string(),
    "event_at": pa.timestamp("us"),
    "event_date": pa.date32(),
    "event_type": pa.string(),
    "device_id": pa.string(),
    "source_session_id": pa.string(),
    "user_id": pa.string(),
    "received_date": pa.date32(),
    "sent_by": pa.string(),
    "properties": pa.string(),
}
TIGHT = IdentityRule(device_users=2, session_users=2, user_devices=2)
FAR = IdentityRule(days_back=0, days_ahead=0, one_user_days=60)
RULES = {
    "tight": TIGHT,
    "only user": FAR,
    **{name: PRESETS[name] for name in ("user", "amplitude", "posthog", "segment_dbt")},
}


@pytest.fixture(scope="module")
def con() -> Iterator[Backend]:
    opened = connect()
    opened.create_table("merged", schema=schema_of(MergedUsers))
    yield opened
    opened.disconnect()


def event(minute: int, sent_by: str | None, user: str | None = None, **ids: str | None) -> Event:
    """Return an event in a minute from the first day on, on a device or in a source session."""
    happened_at = at("00:00") + timedelta(minutes=minute)
    return {
        "event_at": happened_at,
        "event_date": happened_at.date(),
        "received_date": happened_at.date(),
        "event_type": "identify" if user else "page_view",
        "user_id": user,
        "sent_by": sent_by,
        "device_id": ids.get("device"),
        "source_session_id": ids.get("session"),
        "properties": None,
    }


def visitors(
    con: Backend, events: Iterable[Event], rule: IdentityRule, *, is_question: bool = False
) -> list[str]:
    """Return the visitor of each event, as tables find it, or as a question over files does."""
    rows = [{"event_id": f"{number:04}", **row} for number, row in enumerate(events)]
    con.create_table(
        "own", pa.Table.from_pylist(rows, schema=pa.schema(KINDS)), temp=True, overwrite=True
    )
    found = dict(con.con.execute(statement(con, rule, is_question=is_question)).fetchall())
    return [found[row["event_id"]] for row in rows]


@cache
def statement(con: Backend, rule: IdentityRule, *, is_question: bool) -> str:
    """Return the statement of the visitors of the events in `own`,
    which takes longer to write than to run.
    """
    table = con.table("own", database=("temp", "main"))
    if is_question:
        owned = with_visitors_of_all(table, con.table("merged"), rule, names_step=False)
    else:
        links = identity_links(table, rule)
        owned = with_visitors(
            table, KnownIds(links, shared_ids(links, rule), con.table("merged")), rule
        )
    return str(con.compile(owned.select("event_id", "visitor_id")))


MINUTES = st.integers(0, 6).map(lambda n: n * 20) | st.sampled_from((1440, 2900, 43_200, 100_000))
USERS = st.sampled_from((None, None, "anna", "ben"))
OWN = st.builds(
    lambda minute, user, ids: event(minute, SERVER, user, **ids),
    MINUTES,
    USERS,
    st.sampled_from(
        ({"device": "d1"}, {"device": "d2", "session": "1"}, {"session": "1"}, {"session": "2"})
    ),
)
STRANGER = st.builds(
    lambda minute, user, ids: event(minute, PAGE, user, **ids),
    MINUTES,
    st.sampled_from((None, "anna", "ben", "eve")),
    # Source sessions can be guessed, and be sent in place of a device; random ids of devices
    # cannot.
    st.sampled_from(
        ({"device": "x1"}, {"device": "x2"}, {"device": "x3"}, {"session": "1"}, {"device": "1"})
    ),
)


@pytest.mark.slow
@examples(60)
@pytest.mark.parametrize("name", RULES)
@given(own=st.lists(OWN, min_size=1, max_size=7), added=st.lists(STRANGER, min_size=1, max_size=7))
def test_rows_of_a_public_key_change_the_visitor_of_no_other_row(
    con: Backend, name: str, own: list[Event], added: list[Event]
) -> None:
    rule = RULES[name]
    for is_question in (False, True):
        alone = visitors(con, own, rule, is_question=is_question)
        together = visitors(con, [*own, *added], rule, is_question=is_question)
        assert together[: len(own)] == alone
    assert visitors(con, [*own, *added], rule) == visitors(
        con, [*own, *added], rule, is_question=True
    )


@pytest.mark.slow
def test_fifty_invented_devices_of_a_user_take_no_device_from_the_user(con: Backend) -> None:
    own = [event(0, SERVER, device="phone"), event(5, SERVER, "anna", device="phone")]
    flood = [event(n, PAGE, "anna", device=f"invented {n}") for n in range(50)]
    assert visitors(con, [*own, *flood], IdentityRule())[:2] == ["anna", "anna"]
    # Where the shop itself has anna on fifty devices, she joins nobody, as before.
    own_flood = [row | {"sent_by": None} for row in flood]
    assert visitors(con, [*own, *own_flood], IdentityRule())[:2] == ["anon-phone", "anna"]


PHONES: Final = [
    row
    for n in range(3)
    for row in (event(n, PAGE, device=f"phone {n}"), event(n, PAGE, "anna", device=f"phone {n}"))
]
"""Three real devices of anna in a shop whose rows all come from pages:
a page view and a sign-in on each.
"""


@pytest.mark.slow
@each("is_question", [False, True])
@each("count", [10, 47, 50, 120])
def test_in_a_shop_of_pages_only_invented_devices_take_no_device_from_a_user_either(
    con: Backend, count: int, *, is_question: bool
) -> None:
    rule = IdentityRule()
    flood = [
        row
        for n in range(count)
        for row in (
            event(60 + n, PAGE, device=f"invented {n:03}"),
            event(60 + n, PAGE, "anna", device=f"invented {n:03}"),
        )
    ]
    owners = visitors(con, [*PHONES, *flood], rule, is_question=is_question)
    assert owners[: len(PHONES)] == ["anna"] * len(PHONES)
    anonymous = owners[len(PHONES) :: 2]
    joined = max(0, min(count, rule.user_devices - 1 - 3))
    assert anonymous == ["anna"] * joined + [f"anon-invented {n:03}" for n in range(joined, count)]
    assert owners[len(PHONES) + 1 :: 2] == ["anna"] * count, "an event with a user is the user's"


def test_devices_beyond_the_bound_are_listed_and_time_lets_others_in(con: Backend) -> None:
    rule = replace(IdentityRule(), user_devices=3, user_devices_days=30)
    month = 31 * 24 * 60
    rows = [event(n, PAGE, "anna", device=f"d{n}") for n in range(4)] + [
        event(month, PAGE, "anna", device="later")
    ]
    table = con.create_table(
        "own",
        pa.Table.from_pylist(
            [{"event_id": str(n), **row} for n, row in enumerate(rows)], pa.schema(KINDS)
        ),
        temp=True,
        overwrite=True,
    )
    assert sorted(
        rows_of(shared_ids(identity_links(table, rule), rule)), key=lambda row: row["id_value"]
    ) == [
        {"id_kind": "device", "id_value": "d2", "reason": "user_devices", "reached_count": 3},
        {"id_kind": "device", "id_value": "d3", "reason": "user_devices", "reached_count": 4},
    ]


@pytest.mark.slow
def test_a_sign_in_of_a_page_links_its_device_and_no_session_of_a_server(con: Backend) -> None:
    browser = [
        event(0, PAGE, device="d1"),
        event(1, PAGE, "anna", device="d1"),
        event(2, SERVER, device="d1"),
    ]
    assert visitors(con, browser, IdentityRule()) == ["anna", "anna", "anna"]
    server = event(0, SERVER, session="1001")
    for stranger in (event(1, PAGE, "eve", session="1001"), event(1, PAGE, "eve", device="1001")):
        assert visitors(con, [server, stranger], IdentityRule()) == ["anon-1001", "eve"]
    # The page's own events still follow the sign-in that the server sent in the session.
    both = [event(0, PAGE, session="1001"), event(1, SERVER, "anna", session="1001")]
    assert visitors(con, both, IdentityRule()) == ["anna", "anna"]
    # A shop that sends sessions from pages only keeps joining by them.
    pages = [event(0, PAGE, session="7"), event(1, PAGE, "anna", session="7")]
    assert visitors(con, pages, IdentityRule()) == ["anna", "anna"]


@pytest.mark.slow
def test_the_session_of_a_server_is_listed_and_bounds_still_hold_for_the_shop_s_own_rows(
    con: Backend,
) -> None:
    rows = [event(0, SERVER, session="1"), event(1, PAGE, "eve", session="1")]
    table = con.create_table(
        "own",
        pa.Table.from_pylist(
            [{"event_id": str(n), **row} for n, row in enumerate(rows)], pa.schema(KINDS)
        ),
        temp=True,
        overwrite=True,
    )
    assert rows_of(shared_ids(identity_links(table, TIGHT), TIGHT)) == [
        {"id_kind": "source_session", "id_value": "1", "reason": "public_key", "reached_count": 1}
    ]
    own = [
        event(0, None, device="d"),
        *(event(1 + n, None, f"user {n}", device="d") for n in range(2)),
    ]
    assert visitors(con, own, TIGHT)[0] == "anon-d"
    assert visitors(con, own, replace(TIGHT, device_users=3))[0] == "user 0"


def test_an_alias_of_a_public_key_joins_nobody(con: Backend) -> None:
    def alias(sent_by: str | None) -> Event:
        row = event(0, sent_by, "anna", device="d")
        return row | {
            "event_type": "alias",
            "properties": '{"previous_id": "ben"}',
            "event_id": str(sent_by),
        }

    rows = [alias(sent_by) for sent_by in (None, SERVER, PAGE)]
    table = con.create_table(
        "own", pa.Table.from_pylist(rows, schema=pa.schema(KINDS)), temp=True, overwrite=True
    )
    assert {row["event_id"] for row in rows_of(alias_events(table, IdentityRule()))} == {
        "None",
        SERVER,
    }

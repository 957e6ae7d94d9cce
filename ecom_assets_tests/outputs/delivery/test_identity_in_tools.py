"""What tools learn of who is who: from the tables of a shop, by each kind of
identity rule, to payloads.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.state.ledger_store import SqliteStore
from ecom_assets.core.tables.days import Days
from ecom_assets.outputs.delivery.pending import events_due
from ecom_assets_tests.behaviour.identity.test_guards import OF_IDENTITY
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.command import HEADER, ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.outputs.delivery.mart_rows import tool
from ecom_assets_tests.platform import NOON, Platform
from ecom_sandbox.vendors.mixpanel import MixpanelReceiver

DAY = Days((DAY_ONE,))
D, E = "5f0c7a52-3f9b-4c0e-9a6e-0d6f3a1b2c3d", "9E107D9D-372B-4B68-8DF3-5C1A2B3C4D5E"


def seen(
    event_id: str, clock: str, device: str | None, user: str | None = None, **values: Any
) -> Row:
    """Return an event on a device, by a user or by nobody."""
    return received(
        event_id, at(clock), user_id=user, anonymous_id=device, session_id="s", **values
    )


SEVEN = [
    seen(str(n), f"{8 + n:02}:00", device, user)
    for n, (device, user) in enumerate(
        [(D, None), (D, "anna"), (D, None), (D, "ben"), (D, None), (E, "anna"), (E, None)], start=1
    )
]
"""Seven events, one an hour, on two devices by two users."""


class Shops:
    """The tables of shops by their settings, each opened once."""

    def __init__(self) -> None:
        self.opened: dict[tuple[tuple[str, Any], ...], Platform] = {}

    def sent(
        self,
        rows: Iterable[Row],
        name: str = "mixpanel_events",
        merge: str = "simplified",
        **settings: Any,
    ) -> list[dict[str, Any]]:
        """Return the payloads of what is due after rows arrived, in order;
        of those that cannot go, the reason.
        """
        key = tuple(settings.items())
        if key not in self.opened:
            self.opened[key] = Platform(Settings(home=Path("never written"), **settings))
        shop, destination = self.opened[key], tool(name, mixpanel_identity=merge)
        shop.clear()
        shop.receive(rows, DAY)
        shop.run(DAY, only=OF_IDENTITY)
        due = events_due(shop.engine, shop.settings, with_sign_ins=destination.takes_sign_ins)
        payloads = [
            row
            for chunk in due.chunks(DAY_ONE)
            for row in destination.payloads(chunk, NOON).to_pylist()
        ]
        return [
            {"reason": row["reason"]} if row["reason"] else json.loads(row["payload"])
            for row in payloads
        ]


@pytest.fixture(scope="module")
def shops() -> Iterator[Shops]:
    opened = Shops()
    yield opened
    for shop in opened.opened.values():
        shop.close()


def people(payloads: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str | None]]:
    """Return the name, the person and the device of each of Mixpanel's events."""
    own = [(payload["event"], payload["properties"]) for payload in payloads]
    return [(name, fields["distinct_id"], fields.get("$device_id")) for name, fields in own]


@pytest.mark.slow
@each(
    "rule, persons, joined",
    [
        (
            "stitched",
            ["anna", "anna", "anna", "ben", "ben", "anna", "anna"],
            {2: "anna", 4: "ben", 6: "anna"},
        ),
        (
            "ga4_observed",
            ["D", "anna", "D", "ben", "D", "anna", "E"],
            {2: "anna", 4: "ben", 6: "anna"},
        ),
        ("device", ["D", "D", "D", "D", "D", "E", "E"], {}),
        # The rule gives anna's event to ben: she is not joined to the device, and neither is ben by
        # her event.
        ("segment_dbt", ["ben", "ben", "ben", "ben", "ben", "anna", "anna"], {4: "ben", 6: "anna"}),
    ],
)
def test_mixpanel_gets_the_visitors_of_the_rule_and_joins_only_users_who_were_on_the_device(
    shops: Shops, rule: str, persons: list[str], joined: dict[int, str]
) -> None:
    devices = {"D": f"$device:{D}", "E": f"$device:{E}"}
    actual = people(shops.sent(SEVEN, identity=rule))
    assert [person for _, person, _ in actual] == [devices.get(name, name) for name in persons]
    both = {
        n: person
        for n, (_, person, device) in enumerate(actual, start=1)
        if device and person[0] != "$"
    }
    assert both == joined


def test_mixpanel_s_original_id_merge_gets_an_identify_for_the_first_sign_in_of_a_device(
    shops: Shops,
) -> None:
    actual = shops.sent(SEVEN, merge="original")
    assert people(actual) == [
        ("Page Viewed", "anna", None),
        ("Page Viewed", "anna", None),
        ("$identify", "anna", None),
        ("Page Viewed", "anna", None),
        # A device that has a user takes no other: Mixpanel would refuse it.
        ("Page Viewed", "ben", None),
        ("Page Viewed", "ben", None),
        ("Page Viewed", "anna", None),
        ("$identify", "anna", None),
        ("Page Viewed", "anna", None),
    ]
    identifies = actual[2]["properties"]
    assert {name: identifies[name] for name in ("$identified_id", "$anon_id", "event_id")} == {
        "$identified_id": "anna",
        "$anon_id": D,
        "event_id": "2",
    }
    assert identifies["$insert_id"] != actual[1]["properties"]["$insert_id"]


def test_with_the_original_id_merge_a_device_goes_by_its_plain_id_which_identify_names(
    shops: Shops,
) -> None:
    (alone, _, identifies) = shops.sent(
        [seen("1", "09:00", D), seen("2", "09:05", D, "anna")],
        merge="original",
        identity="ga4_observed",
    )
    assert alone["properties"]["distinct_id"] == identifies["properties"]["$anon_id"] == D


def test_an_id_that_mixpanel_s_original_id_merge_does_not_join_is_a_dead_letter_that_says_so(
    shops: Shops,
) -> None:
    event, identifies = shops.sent([seen("1", "09:00", "GA1.2.77", "anna")], merge="original")
    assert (event["properties"]["distinct_id"], identifies) == ("anna", {"reason": "not_a_uuid"})


def test_who_joins_nobody_identifies_on_no_device(shops: Shops) -> None:
    rows = [
        seen("1", "09:00", D, "guest"),
        seen("2", "09:05", D, "anna"),
        seen("3", "09:10", E, "guest"),
    ]
    actual = shops.sent(rows, merge="original")
    assert [(name, person) for name, person, _ in people(actual)] == [
        ("Page Viewed", "guest"),
        ("Page Viewed", "anna"),
        ("$identify", "anna"),
        ("Page Viewed", "guest"),
    ]


def test_users_who_are_one_person_identify_as_that_person(shops: Shops) -> None:
    rows = [
        seen("1", "09:00", D, "anna"),
        seen(
            "2", "09:05", None, "anna-new", event_type="alias", properties='{"previous_id": "anna"}'
        ),
    ]
    actual = shops.sent(rows, merge="original")
    assert [(name, person) for name, person, _ in people(actual)] == [
        ("Page Viewed", "anna-new"),
        ("$identify", "anna-new"),
        ("alias", "anna-new"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mixpanel_events", "amplitude_events"])
def test_without_the_consent_that_links_need_no_tool_gets_both_ids(shops: Shops, name: str) -> None:
    rows = [
        seen("1", "09:00", D, "anna-1", properties='{"consent": "granted"}'),
        seen("2", "09:05", E, "anna-1", properties='{"consent": "denied"}'),
    ]
    actual = [
        payload.get("properties", payload)
        for payload in shops.sent(rows, name, identity_consent="consent")
    ]
    assert [fields.get("$device_id", fields.get("device_id")) for fields in actual] == [D, None]


@pytest.mark.slow
def test_without_consent_nobody_identifies(shops: Shops) -> None:
    rows = [seen("1", "09:00", D, "anna", properties='{"consent": "denied"}')]
    assert [
        name
        for name, _, _ in people(shops.sent(rows, identity_consent="consent", merge="original"))
    ] == ["Page Viewed"]


@pytest.mark.slow
def test_a_run_tells_mixpanel_once_who_signed_in_and_an_erasure_hashes_that_record_too(
    home: Path,
) -> None:
    """Anna looks at a page and signs in; a second run sends nothing; then she is erased."""
    file = home.with_name("events.csv")
    rows = [
        f"{n},{user},page_view,2026-03-10T0{n}:00:00Z,,,,,,,{D}"
        for n, user in ((8, ""), (9, "anna-1"))
    ]
    file.write_text("\n".join([f"{HEADER},anonymous_id", *rows]) + "\n")

    def records() -> set[str]:
        with closing(SqliteStore(home / "ledger.sqlite")) as store:
            return {record for (record,) in store.rows("SELECT record_id FROM sendings")}

    with MixpanelReceiver() as receiver:
        env = {f"ECOM_{name.upper()}": value for name, value in receiver.settings().items()}
        env["ECOM_MIXPANEL_IDENTITY"] = "original"
        needed = ("--select", '+key:"export/mixpanel_events"')
        for _ in range(2):
            assert ecom("run", "--events", file, *needed, home=home, env=env).exit_code == 0
            assert receiver.held.taken_count == 3
        assert records() == {"8@2026-03-10", "9@2026-03-10", "identify:9@2026-03-10"}
        erased = ecom("erase", "--visitor", "anna-1", "--events", file, "--yes", home=home, env=env)
        assert erased.exit_code == 0, erased.err
        assert {"anna-1", D} <= set(receiver.deleted_ids)
    assert [record for record in records() if not record.startswith("erased-")] == []

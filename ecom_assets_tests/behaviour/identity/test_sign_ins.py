"""The sign-in that decided about an event is named: the nearest one by the step of the rule."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import ibis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.identity.contracts import MergedUsers, SharedIds
from ecom_assets.behaviour.identity.rule import PRESETS, IdentityRule
from ecom_assets.behaviour.identity.sign_ins import STEPS, deciding_sign_ins
from ecom_assets.behaviour.identity.visitors import with_visitors_of_all
from ecom_assets.core.tables.portable import schema_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.identity.reference import Seen
from ecom_assets_tests.behaviour.identity.test_rules import histories, rows_of, sequence
from ecom_assets_tests.builders import at
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples


def found(
    events: Iterable[Seen], rule: IdentityRule
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return the events with their visitors, and the sign-ins that decided,
    both by the id of the event.
    """
    con = connect()
    table = con.create_table("given", rows_of(events), temp=True)
    merged, shared = (
        ibis.memtable(schema_of(contract).to_pyarrow().empty_table())
        for contract in (MergedUsers, SharedIds)
    )
    owned = con.create_table(
        "owned", con.to_pyarrow(with_visitors_of_all(table, merged, rule)), temp=True
    )
    signed = con.to_pyarrow(deciding_sign_ins(owned, owned, shared, rule)).to_pylist()
    rows = con.to_pyarrow(owned).to_pylist()
    con.disconnect()
    return {row["event_id"]: row for row in rows}, {row["event_id"]: row for row in signed}


@pytest.mark.slow
@each(
    "rule, deciding",
    [
        ("stitched", {"1": "2", "3": "2", "5": "4", "7": "6"}),
        ("amplitude", {"1": "2", "3": "2", "5": "4", "7": "6"}),
        ("mixpanel_simplified", {"1": "2", "3": "2", "5": "2", "7": "6"}),
        ("posthog", {"1": "2", "3": "2", "5": "2", "7": "6"}),
        # The last user of the device owns all, also an event of the other user.
        ("segment_dbt", {"1": "4", "2": "4", "3": "4", "4": "4", "5": "4", "6": "6", "7": "6"}),
        ("device", {}),
    ],
)
def test_the_sign_ins_that_decided_about_the_seven_events(
    rule: str, deciding: dict[str, str]
) -> None:
    _, signed = found(sequence(), PRESETS[rule])
    assert {event_id: row["sign_in_event_id"] for event_id, row in signed.items()} == deciding


@pytest.mark.slow
def test_of_the_only_user_the_sign_in_before_the_event_is_named_else_the_one_after_it() -> None:
    start = at("12:00")
    days = ((0, None), (100, "A"), (101, "A"), (200, None), (600, None), (700, "A"))
    events = [Seen(start + timedelta(days=day), str(day), "D", None, user) for day, user in days]
    rows, signed = found(events, IdentityRule())
    assert {row["joined_by"] for row in signed.values()} == {"only_user"}
    assert {event_id: row["sign_in_event_id"] for event_id, row in signed.items()} == {
        "0": "100",
        "200": "101",
        "600": "700",
    }
    assert {row["visitor_id"] for row in rows.values()} == {"A"}


@pytest.mark.slow
@given(histories(), st.sampled_from(list(PRESETS)))
@examples(150)
def test_each_event_that_another_decided_about_has_one_sign_in_by_its_visitor(
    events: list[Seen], name: str
) -> None:
    rows, signed = found(events, PRESETS[name])
    decided = {event_id for event_id, row in rows.items() if row["joined_by"] in STEPS}
    assert set(signed) == decided
    assert {row["user_id"] for row in signed.values()} <= {"A", "B", "C"}
    assert {event_id: row["user_id"] for event_id, row in signed.items()} == {
        event_id: rows[event_id]["visitor_id"] for event_id in decided
    }

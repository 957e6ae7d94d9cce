"""To whom an event belongs: the rule by default and those of other tools,
and a reference in plain Python.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.identity.contracts import MergedUsers
from ecom_assets.behaviour.identity.links import identity_links, shared_ids
from ecom_assets.behaviour.identity.rule import PRESETS, IdentityRule
from ecom_assets.behaviour.identity.visitors import (
    FEW_RUNS,
    KnownIds,
    crowded_days,
    with_visitors,
    with_visitors_of_all,
)
from ecom_assets.core.tables.portable import count_of, schema_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.identity.reference import Seen, owners
from ecom_assets_tests.builders import at
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.markdown import definition

KINDS = {
    "event_id": pa.string(),
    "event_at": pa.timestamp("us"),
    "event_date": pa.date32(),
    "event_type": pa.string(),
    "device_id": pa.string(),
    "source_session_id": pa.string(),
    "user_id": pa.string(),
    "received_date": pa.date32(),
}


def rows_of(events: Iterable[Seen]) -> pa.Table:
    """Return events as clean events that have no visitor yet."""
    rows = [
        {
            "event_id": seen.event_id,
            "event_at": seen.at,
            "event_date": seen.at.date(),
            "event_type": "identify" if seen.identifies else "page_view",
            "device_id": seen.device,
            "source_session_id": seen.session,
            "user_id": seen.user,
            "received_date": seen.at.date(),
        }
        for seen in events
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(KINDS))


def visitors(
    events: Iterable[Seen], rule: IdentityRule, *, names_step: bool | None = None
) -> dict[str, str]:
    """Return the visitor of each event by the event's id, as tables find it,
    or as a question over files does.
    """
    con = connect()
    table = con.create_table("given", rows_of(events), temp=True)
    merged = ibis.memtable(schema_of(MergedUsers).to_pyarrow().empty_table())
    if names_step is None:
        links = identity_links(table, rule)
        may_crowd = count_of(crowded_days(links)) > 0
        known_ids = KnownIds(links, shared_ids(links, rule), merged, may_crowd)
        found = with_visitors(table, known_ids, rule)
    else:
        found = with_visitors_of_all(table, merged, rule, names_step=names_step)
    actual = con.to_pyarrow(found)
    con.disconnect()
    return dict(zip(actual["event_id"].to_pylist(), actual["visitor_id"].to_pylist(), strict=True))


def sequence() -> list[Seen]:
    """Return seven events, one an hour: `1 D·  2 D+A  3 D·  4 D+B  5 D·  6 E+A  7 E·`."""
    users = [("D", None), ("D", "A"), ("D", None), ("D", "B"), ("D", None), ("E", "A"), ("E", None)]
    start = at("09:00")
    return [
        Seen(start + timedelta(hours=n), str(n), device, None, user, identifies=user is not None)
        for n, (device, user) in enumerate(users, start=1)
    ]


def owners_on_page() -> dict[str, list[str]]:
    """Return the owners of the seven events under each rule, as docs/metrics says by
    the documents of each tool.
    """
    _, lines = definition("Visitors as other tools find them").tables
    return {line["rule"]: [cell for name, cell in line.items() if name != "rule"] for line in lines}


@pytest.mark.slow
@each("name", PRESETS)
def test_two_users_of_one_device_and_one_user_of_two_devices_under_each_rule(name: str) -> None:
    expected = [f"anon-{who}" if who in {"D", "E"} else who for who in owners_on_page()[name]]
    actual = visitors(sequence(), PRESETS[name])
    assert [actual[str(n)] for n in range(1, 8)] == expected


def test_the_page_has_every_rule_once() -> None:
    described, _ = definition("Visitors as other tools find them").tables
    assert [name for line in described for name in line["rule"].split(", ")] == list(
        owners_on_page()
    )
    assert set(owners_on_page()) == set(PRESETS)


HOURS = st.sampled_from(
    [0, 1, 20, 29, 30, 31, 60, 24 * 60 - 30, 24 * 60, 24 * 60 + 1, 3 * 24 * 60, 40 * 24 * 60]
)


@st.composite
def histories(draw: st.DrawFn) -> list[Seen]:
    """Draw some events of few devices, sessions and users, with gaps near the bounds
    of the rule; some at once.
    """
    now, result = at("23:45"), []
    for number in range(draw(st.integers(1, 14))):
        now += timedelta(minutes=draw(HOURS))
        device, session = (
            draw(st.sampled_from(["D", "D", "E", None])),
            draw(st.sampled_from(["S", "T", "D", None])),
        )
        user = draw(st.sampled_from([None, None, "A", "B", "C"]))
        if not (device or session):
            user = user or "A"
        result.append(
            Seen(
                now,
                f"{draw(st.integers(0, 9))}-{number}",
                device,
                session,
                user,
                draw(st.booleans()) and user is not None,
            )
        )
    return result


@pytest.mark.slow
@given(
    histories(),
    st.sampled_from([name for name in PRESETS if name != "user"]),
    st.sampled_from([(90, 30, 365), (2, 1, 41), (2, 1, 3), (0, 0, 1), (2, 1, 0), (0, 0, 0)]),
    st.sampled_from([FEW_RUNS, 1]),
)
@examples(300)
def test_the_expressions_find_whom_plain_python_finds(
    events: list[Seen], name: str, days: tuple[int, int, int], few_runs: int
) -> None:
    rule = replace(PRESETS[name], days_back=days[0], days_ahead=days[1], one_user_days=days[2])
    with pytest.MonkeyPatch.context() as patch:
        # A device with more runs on a day is asked in another way.
        patch.setattr("ecom_assets.behaviour.identity.visitors.FEW_RUNS", few_runs)
        assert visitors(events, rule) == owners(events, rule)


@pytest.mark.slow
@given(
    histories(),
    st.builds(
        IdentityRule,
        days_back=st.sampled_from([90, 2, 1, 0]),
        days_ahead=st.sampled_from([30, 2, 1, 0]),
        one_user_days=st.sampled_from([365, 40, 3, 1, 0]),
        guesses_if_shared=st.booleans(),
        device_users=st.integers(1, 3),
        session_users=st.integers(1, 3),
        user_devices=st.integers(1, 3),
        user_devices_days=st.integers(1, 2),
    ),
)
@examples(300)
def test_a_question_that_does_not_read_the_step_finds_the_same_visitors(
    events: list[Seen], rule: IdentityRule
) -> None:
    # Ids of devices and source sessions that are alike, and bounds so small that they trip, are
    # among them.
    assert visitors(events, rule, names_step=False) == visitors(events, rule, names_step=True)

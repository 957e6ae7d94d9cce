"""Visitor segments as a user property: what each tool gets, and that nobody gets the same twice."""

import json
from collections.abc import Sequence
from contextlib import closing, nullcontext
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa

from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.behaviour.visitor_segments.contracts import VisitorSegments
from ecom_assets.commerce.customers.contracts import CustomerSegments
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.outputs.delivery.ledger.opening import DeliveryContext
from ecom_assets.outputs.delivery.payloads import USER_ROWS, EventChoices
from ecom_assets.outputs.delivery.pending import users_due
from ecom_assets.outputs.delivery.sending import DeliveryStats, export
from ecom_assets.outputs.delivery.tools.amplitude.payload import users as amplitude_users
from ecom_assets_tests.builders import as_table
from ecom_assets_tests.each import each
from ecom_assets_tests.outputs.delivery.mart_rows import SENT_AT, tool, users
from ecom_assets_tests.outputs.delivery.scripted import Clock, Tool

MONDAY = date(2026, 3, 9)


def sent(name: str, segments: str | None) -> Any:
    """Return the payload of a visitor in segments, without what all have; its reason,
    if it can't go.
    """
    (payload,) = (
        tool(name)
        .payloads(users({"customer_id": "anna-1", "visitor_segments": segments}), SENT_AT)
        .to_pylist()
    )
    if payload["reason"]:
        return payload["reason"]
    reported = json.loads(payload["payload"])
    properties = (
        reported.get("properties") or reported.get("$set") or reported.get("user_properties")
    )
    return properties.get("$set", properties).get("visitor_segments")


def test_tools_get_the_names_as_they_take_several_values() -> None:
    assert (
        sent("amplitude_users", "pro\nloyal")
        == sent("mixpanel_users", "pro\nloyal")
        == ["loyal", "pro"]
    )
    assert sent("heap_users", "pro\nloyal") == "loyal||pro"
    assert sent("ga4_users", "pro\nloyal") == {"value": "loyal,pro"}


def test_who_has_left_all_is_sent_none_and_without_segments_nothing_is_sent() -> None:
    assert sent("amplitude_users", "") == sent("mixpanel_users", "") == []
    assert (sent("heap_users", ""), sent("ga4_users", "")) == ("(none)", {"value": "(none)"})
    assert [sent(name, None) for name in ("mixpanel_users", "heap_users", "ga4_users")] == [
        "nothing_known"
    ] * 3
    (payload,) = (
        amplitude_users()
        .payloads(users({"customer_id": "anna-1"}), SENT_AT, EventChoices())["payload"]
        .to_pylist()
    )
    assert "visitor_segments" not in payload, (
        "what was sent before segments were declared stays as it was"
    )


@each(
    "name, longest, reason",
    [
        ("amplitude_users", "x" * 1024, "segment_too_long"),
        ("mixpanel_users", "é" * 127 + "x", "segment_too_long"),
        ("heap_users", "x" * 511 + "\n" + "y" * 510, "segments_too_long"),
        ("ga4_users", "x" * 20 + "\n" + "y" * 15, "segments_too_long"),
    ],
)
def test_longer_names_than_a_tool_takes_are_a_dead_letter(
    name: str, longest: str, reason: str
) -> None:
    assert sent(name, longest) != reason
    assert sent(name, longest + "y") == reason


class UserTool(Tool):
    """A scripted tool of users, which takes Amplitude's payloads."""

    def payloads(self, rows: pa.Table, sent_at: datetime) -> pa.Table:
        """Return what Amplitude would get."""
        return amplitude_users().payloads(rows.select(USER_ROWS.names), sent_at, EventChoices())


def any_row(contract: type[Table]) -> dict[str, Any]:
    """Return a row of a table whose values do not matter."""
    values = {
        "string": "x",
        "date": MONDAY,
        "timestamp(6)": datetime.combine(MONDAY, time()),
        "boolean": False,
    }
    return {
        name: None
        if column.nullable
        else column.one_of[0]
        if column.one_of
        else values.get(column.type, 1)
        for name, column in contract.columns.items()
    }


class Shop:
    """A warehouse in memory with visitors, and a ledger in a file."""

    def __init__(self, home: Path) -> None:
        self.tool = UserTool(Clock(), name="scripted_users", takes_updates=True)
        self.settings = Settings(
            home=home,
            events="given",
            ledger_patience_s=0.0,
            visitor_segments=home / "segments.yaml",
        )
        self.engine = DuckDBEngine(Path("memory"))
        self.engine.con = connect()
        plain = any_row(Sessions)
        visitors = {"anna-1": False, "ben-22": False, "robot-1": True, "anon-s-1": False}
        self.land(
            Sessions,
            [
                plain
                | {"visitor_id": who, "started_date": MONDAY, "is_bot": is_bot, "session_id": who}
                for who, is_bot in visitors.items()
            ],
        )

    def land(self, contract: type[Table], rows: Sequence[dict[str, Any]]) -> None:
        """Let these be the rows of a table."""
        self.engine.con.con.register("landed", as_table(list(rows), contract))
        self.engine.replace(contract, self.engine.con.table("landed"), None)

    def land_members(self, **who: str) -> None:
        """Let these visitors be in segments."""
        row = {"entered_date": MONDAY, "left_date": None, "is_current": True, "as_of_date": MONDAY}
        self.land(
            VisitorSegments,
            [
                row | {"segment": name, "visitor_id": part}
                for name, some in who.items()
                for part in some.split()
            ],
        )

    def deliver(self) -> DeliveryStats:
        """Deliver as a run does."""
        tools = nullcontext({self.tool.name: self.tool})
        with closing(DeliveryContext(self.settings, tools, sending_at=self.tool.clock)) as opened:
            return export(
                opened, self.tool.name, users_due(self.engine, self.settings), Days(())
            ).total

    @property
    def last(self) -> dict[str, list[str]]:
        """The segments that the tool heard of last, by user."""
        return {
            who: json.loads(payload)["user_properties"]["$set"]["visitor_segments"]
            for who, payload in self.tool.received
        }


def test_the_same_segments_go_once_and_a_change_goes_once_more(tmp_path: Path) -> None:
    """Robots and anonymous visitors are not due; that Ben leaves is sent to the tool."""
    shop = Shop(tmp_path)
    shop.land_members(loyal="anna-1 ben-22 robot-1 anon-s-1", pro="anna-1")
    first = shop.deliver()
    assert (first.due, first.sent, first.outcomes["delivered"]) == (2, 2, 2)
    assert shop.last == {"anna-1": ["loyal", "pro"], "ben-22": ["loyal"]}
    assert (shop.deliver().sent, len(shop.tool.received)) == (0, 2)
    shop.land_members(pro="anna-1", loyal="anna-1")
    assert (shop.deliver().sent, shop.deliver().sent) == (1, 0)
    assert shop.last == {"anna-1": ["loyal", "pro"], "ben-22": []}
    shop.engine.close()


def test_customers_with_orders_and_visitors_without_are_one_list(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.land_members(loyal="ben-22")
    customer = any_row(CustomerSegments) | {
        "customer_id": "ben-22",
        "as_of_date": date(2026, 3, 12),
        "segment": "Loyal",
    }
    shop.land(CustomerSegments, [customer, customer | {"customer_id": "phone-order"}])
    due = users_due(shop.engine, shop.settings)
    assert due.counts(Days(())) == {date(2026, 3, 12): 3}, "all of them as of the newest day of any"
    (rows,) = due.chunks(date(2026, 3, 12))
    reported = [
        (row["customer_id"], row["segment"], row["visitor_segments"]) for row in rows.to_pylist()
    ]
    assert reported == [
        ("anna-1", None, ""),
        ("ben-22", "Loyal", "loyal"),
        ("phone-order", "Loyal", ""),
    ]
    undeclared = users_due(shop.engine, shop.settings.model_copy(update={"visitor_segments": None}))
    (rows,) = undeclared.chunks(date(2026, 3, 12))
    assert [(row["customer_id"], row["visitor_segments"]) for row in rows.to_pylist()] == [
        ("ben-22", None),
        ("phone-order", None),
    ]
    shop.engine.close()

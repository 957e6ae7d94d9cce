"""The channel of the last session and the step of the funnel as user properties:
only if a setting says so.
"""

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.behaviour.funnels.contracts import ConversionFunnel, FunnelEntries
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.commerce.attribution.contracts import Touches
from ecom_assets.commerce.customers.contracts import CustomerSegments
from ecom_assets.core.errors import SettingError
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.outputs.delivery.pending import users_due
from ecom_assets.outputs.delivery.tools.all import NAMES
from ecom_assets_tests.builders import as_table
from ecom_assets_tests.each import each
from ecom_assets_tests.outputs.delivery.mart_rows import SENT_AT, tool, users
from ecom_assets_tests.outputs.delivery.test_visitor_segments import MONDAY, any_row

NOON = datetime(2026, 3, 9, 12)  # noqa: DTZ001 (instants of tables have no zone)
STEPS = ("product_view", "add_to_cart", "purchase")
CHANNELS = ("Direct", "Organic Search", "Email")
BOTH = ("last_session_channel", "funnel_step")


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(Path("memory"))
    engine.con = connect()
    of_step = any_row(ConversionFunnel) | {"funnel_name": "default"}
    land(
        engine,
        ConversionFunnel,
        [of_step | {"step": n, "event_type": name} for n, name in enumerate(STEPS, 1)],
    )
    yield engine
    engine.con.disconnect()


def land(engine: DuckDBEngine, contract: type[Table], rows: list[dict[str, Any]]) -> None:
    engine.con.con.register("landed", as_table(rows, contract))
    engine.replace(contract, engine.con.table("landed"), None)


def visit(who: str, hours: int, *, is_bot: bool = False) -> dict[str, Any]:
    at = NOON + timedelta(hours=hours)
    own = {
        "visitor_id": who,
        "session_id": f"{who}-{hours}",
        "started_at": at,
        "started_date": at.date(),
    }
    return any_row(Sessions) | own | {"is_bot": is_bot}


def touch(who: str, hours: int, channel: str) -> dict[str, Any]:
    return any_row(Touches) | {"session_id": f"{who}-{hours}", "channel": channel}


def attempt(who: str, days: int, last_step: int) -> dict[str, Any]:
    own = {
        "funnel_name": "default",
        "unit": "visitor",
        "unit_id": f"{who}-{days}",
        "visitor_id": who,
    }
    return (
        any_row(FunnelEntries)
        | own
        | {"cohort_date": MONDAY + timedelta(days=days), "last_step": last_step}
    )


def due(engine: DuckDBEngine, *names: str) -> dict[str, tuple[str | None, str | None]]:
    settings = Settings(events="given", delivery_user_properties=names)
    rows = users_due(engine, settings).rows.to_pyarrow().to_pylist()
    return {row["customer_id"]: (row["last_session_channel"], row["funnel_step"]) for row in rows}


def test_the_newest_visit_and_attempt_count_of_everybody_who_is_known(engine: DuckDBEngine) -> None:
    visits = [
        visit("anna", 1),
        visit("anna", 5),
        visit("ben", 2),
        visit("robot", 1, is_bot=True),
        visit("anon-1", 1),
    ]
    land(engine, Sessions, visits)
    land(
        engine,
        Touches,
        [touch("anna", 1, "Email"), touch("anna", 5, "Direct"), touch("ben", 2, "Email")],
    )
    land(engine, FunnelEntries, [attempt("anna", 0, 3), attempt("anna", 1, 2)])
    land(
        engine,
        CustomerSegments,
        [any_row(CustomerSegments) | {"customer_id": "cleo", "as_of_date": MONDAY}],
    )
    assert due(engine, *BOTH) == {
        "anna": ("Direct", "add_to_cart"),
        "ben": ("Email", None),
        "cleo": (None, None),
    }
    assert due(engine, "funnel_step")["anna"] == (None, "add_to_cart")
    assert due(engine) == {"cleo": (None, None)}, (
        "without the setting, users are those with an order"
    )


@pytest.mark.parametrize("seed", range(5))
def test_any_visits_come_out_as_by_plain_python(engine: DuckDBEngine, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 (no secret)
    who = [f"c{n}" for n in range(6)]
    seen = {
        (dice.choice(who), hours): dice.choice(CHANNELS) for hours in dice.sample(range(200), 20)
    }
    began = {(dice.choice(who), days): dice.randint(1, 3) for days in range(12)}
    land(engine, Sessions, [visit(*key) for key in seen])
    land(engine, Touches, [touch(*key, channel) for key, channel in seen.items()])
    land(engine, FunnelEntries, [attempt(*key, last_step) for key, last_step in began.items()])
    expected = {}
    for name in {name for name, _ in seen}:
        last = max(hours for other, hours in seen if other == name)
        days = [day for other, day in began if other == name]
        step = STEPS[began[name, max(days)] - 1] if days else None
        expected[name] = (seen[name, last], step)
    assert due(engine, *BOTH) == expected


@each("name", [name for name in NAMES if name.endswith("_users")])
def test_each_tool_gets_them_and_without_them_what_it_always_got(name: str) -> None:
    row = {"customer_id": "anna-1", "segment": "loyal"}
    plain, more, long = (
        tool(name).payloads(users(row | added), SENT_AT)["payload"][0].as_py()
        for added in (
            {},
            {"last_session_channel": "Email", "funnel_step": "purchase"},
            {"funnel_step": "x" * 37},
        )
    )
    assert json.loads(plain) == json.loads(long)
    assert "funnel_step" not in plain
    reported = json.loads(more)
    properties = (
        reported.get("properties") or reported.get("$set") or reported.get("user_properties")
    )
    properties = properties.get("$set", properties)
    wrapped = [{"value": text} if name == "ga4_users" else text for text in ("Email", "purchase")]
    assert [properties[key] for key in BOTH] == wrapped


def test_a_property_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOM_DELIVERY_USER_PROPERTIES", "last_channel")
    with pytest.raises(
        SettingError, match="'last_channel' is no user property to add; did you mean 'last_session"
    ):
        load_settings()

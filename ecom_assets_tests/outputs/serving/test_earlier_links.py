"""Real time knows who signed in before the last minutes, as far as it is published."""

import os
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pytest

from ecom_assets.behaviour.events.realtime import RealTimeRule
from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.outputs.serving.earlier_links import PublishedLinks
from ecom_assets.outputs.serving.realtime import RealTime
from ecom_assets_tests.behaviour.identity.test_guards import OF_IDENTITY
from ecom_assets_tests.builders import DAY_ONE, Row, received
from ecom_assets_tests.command import HEADER
from ecom_assets_tests.platform import Platform

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=11))
FUNNEL = Funnel.from_mapping({"steps": [{"event_type": "page_view"}]})


@pytest.fixture(scope="module")
def opened() -> Iterator[Platform]:
    platform = Platform()
    yield platform
    platform.close()


class ShopTables:
    """The tables of a shop as if they were published."""

    def __init__(self, shop: Platform) -> None:
        self.has, self.table = shop.engine.has, shop.engine.table

    def rows(self, question: ir.Table) -> list[dict[str, Any]]:
        """Return the rows of a result."""
        found: list[dict[str, Any]] = question.to_pyarrow().to_pylist()
        return found


def before(event_id: str, days: float, device: str, user: str | None, **values: Any) -> Row:
    """Return an event of some days ago."""
    at = (NOW - timedelta(days=days)).replace(tzinfo=None)
    return received(event_id, at, user_id=user, anonymous_id=device, **values)


def published(shop: Platform, *rows: Row) -> PublishedLinks:
    """Compute and publish the tables of earlier days."""
    shop.clear()
    shop.receive(rows, DAYS)
    shop.run(DAYS, only=OF_IDENTITY)
    return PublishedLinks(1, lambda: nullcontext(ShopTables(shop)))


def land(folder: Path, *events: str) -> Path:
    """Write a file of now, with an event a minute, each as `device` or `device user`."""
    lines = [f"{HEADER},anonymous_id"]
    for number, event in enumerate(events):
        device, _, user = event.partition(" ")
        at = NOW - timedelta(minutes=len(events) - number)
        lines.append(
            f"e{number},{user},page_view,{at.isoformat()},,,s{number},https://shop.example/,,,{device}"
        )
    folder.mkdir(exist_ok=True)
    path = folder / "events.csv"
    path.write_text("\n".join(lines) + "\n")
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    return folder


def visitors(folder: Path, links: PublishedLinks | None, **settings: Any) -> int:
    """Return how many visitors the last half hour had."""
    shop_settings = Settings(home=folder.parent / "home", events=str(folder), **settings)
    with closing(RealTime(shop_settings, RealTimeRule(), FUNNEL)) as reader:
        reader.numbers(NOW, None, links)
        again = reader.numbers(NOW, None, links)["windows"]
    result: int = again[-1]["visitor_count"]
    return result


@pytest.mark.parametrize(
    ("rule", "alone", "expected"),
    [
        ("stitched", 2, 1),
        pytest.param("mixpanel_simplified", 2, 1, marks=pytest.mark.slow),
        pytest.param("device", 2, 2, marks=pytest.mark.slow),
        pytest.param("user", 2, 2, marks=pytest.mark.slow),
    ],
)
def test_who_signed_in_last_week_on_this_device_is_that_user(
    opened: Platform, tmp_path: Path, rule: str, alone: int, expected: int
) -> None:
    """Ann is signed in on her phone, and looks at a page on the laptop on which
    she signed in a week ago.
    """
    earlier = published(opened, before("1", 7, "laptop", "ann"))
    folder = land(tmp_path / "landing", "laptop", "phone ann")
    assert visitors(folder, None, identity=rule) == alone
    assert visitors(folder, earlier, identity=rule) == expected


@pytest.mark.slow
def test_the_user_who_was_last_on_the_device_counts_and_not_too_long_ago(
    opened: Platform, tmp_path: Path
) -> None:
    earlier = published(
        opened, before("1", 7, "d", "ann"), before("2", 5, "d", "ben"), before("3", 4, "d", None)
    )
    folder = land(tmp_path / "landing", "d", "phone ben")
    assert visitors(folder, earlier) == 1
    assert visitors(folder, earlier, identity_days_back=4) == 2


@pytest.mark.slow
def test_the_only_user_of_a_device_counts_longer_and_not_if_another_was_between(
    opened: Platform, tmp_path: Path
) -> None:
    folder = land(tmp_path / "landing", "d", "phone ann")
    alone = published(opened, before("1", 9, "d", "ann"), before("3", 5, "d", "ann"))
    assert visitors(folder, alone, identity_days_back=4) == 1
    assert visitors(folder, alone, identity_days_back=4, identity_one_user_days=4) == 2
    rows = [before("1", 9, "d", "ann"), before("2", 7, "d", "ben"), before("3", 5, "d", "ann")]
    assert visitors(folder, published(opened, *rows), identity_days_back=4) == 2


@pytest.mark.slow
def test_who_signs_in_now_is_not_taken_for_who_was_there_last_week(
    opened: Platform, tmp_path: Path
) -> None:
    """Ann was here last week; Ben signs in two minutes after his first page."""
    earlier = published(opened, before("1", 7, "d", "ann"))
    assert visitors(land(tmp_path / "landing", "d", "d ben"), earlier) == 1


@pytest.mark.slow
def test_a_device_that_joins_nobody_joins_nobody_in_real_time(
    opened: Platform, tmp_path: Path
) -> None:
    earlier = published(opened, *(before(f"{n}", 7, "till", f"user{n}") for n in range(20)))
    folder = land(tmp_path / "landing", "till", "till user3")
    assert visitors(folder, None) == 1
    assert visitors(folder, earlier) == 2


@pytest.mark.slow
def test_users_who_are_one_person_are_one_visitor_in_real_time(
    opened: Platform, tmp_path: Path
) -> None:
    alias = before("1", 7, "d", "ann-new", event_type="alias", properties='{"previous_id": "ann"}')
    folder = land(tmp_path / "landing", "phone ann", "laptop ann-new")
    assert (visitors(folder, None), visitors(folder, published(opened, alias))) == (2, 1)


@pytest.mark.slow
def test_a_new_publication_is_looked_at_again(opened: Platform, tmp_path: Path) -> None:
    folder = land(tmp_path / "landing", "laptop", "phone ann")
    nothing = published(opened, before("1", 7, "other", "ben"))
    shop_settings = Settings(home=tmp_path / "home", events=str(folder))
    with closing(RealTime(shop_settings, RealTimeRule(), FUNNEL)) as reader:
        assert reader.numbers(NOW, None, nothing)["windows"][-1]["visitor_count"] == 2
        earlier = replace(published(opened, before("1", 7, "laptop", "ann")), version=2)
        assert reader.numbers(NOW, None, earlier)["windows"][-1]["visitor_count"] == 1

"""Journeys from and to steps, of pages, and without some types: by story,
and against plain Python.
"""

import fnmatch
import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.journeys.answer import part_of, step_events
from ecom_assets.behaviour.journeys.journeys import (
    counted_transitions,
    journey_steps,
    page_of,
    paths_of,
    sessions_of,
)
from ecom_assets.behaviour.journeys.question import JourneyQuestion
from ecom_assets.behaviour.sessions.sessions import SESSION
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.postgres_server import fresh_database

BEGIN = datetime.fromisoformat("2026-03-02 10:00")
SCHEMA = pa.schema(
    [
        ("visitor_id", pa.string()),
        ("session_device_id", pa.string()),
        ("session_started_at", pa.timestamp("us")),
        ("event_at", pa.timestamp("us")),
        ("event_id", pa.string()),
        ("event_type", pa.string()),
        ("product_category", pa.string()),
        ("page_url", pa.string()),
    ]
)
Walk = list[tuple[str, str | None]]
"""The types and pages of a session's events, a second apart."""
PAGES = (
    "https://shop.example/product/1?x=1",
    "https://shop.example/product/2/#top",
    "https://shop.example/",
    "/cart",
    "https://other.example/product/1",
    None,
)


def as_events(walks: Sequence[Walk]) -> pa.Table:
    """Return the events of sessions, one session of each visitor."""
    rows = [
        (
            f"v{who}",
            "",
            BEGIN,
            BEGIN + timedelta(seconds=position),
            f"e{position:03}",
            kind,
            None,
            page,
        )
        for who, walk in enumerate(walks)
        for position, (kind, page) in enumerate(walk)
    ]
    return pa.Table.from_pylist(
        [dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA
    )


def answer(
    con: Any, events: Any, choices: JourneyQuestion
) -> tuple[dict[str, tuple[str, bool]], Counter[Any]]:
    """Return the path of each visitor and whether it is cut, and all transitions by place."""
    sessions = sessions_of(events)
    steps = journey_steps(step_events(events, choices), sessions, choices.journey_rule)
    if choices.from_step or choices.to_step:
        steps = part_of(steps, choices)
    paths = {
        row["visitor_id"]: (row["path"] or "", row["is_cut"])
        for row in con.to_pyarrow(paths_of(steps, choices.journey_rule)).to_pylist()
    }
    counted = con.to_pyarrow(
        counted_transitions(steps.join(sessions, list(SESSION)), choices.journey_rule)
    ).to_pylist()
    return paths, Counter(
        {
            (row["place"], row["from_step"], row["to_step"]): row["transition_count"]
            for row in counted
        }
    )


def field(by: str = "page_type", **more: Any) -> JourneyQuestion:
    """Return a question, as its definition is read."""
    parts = {
        name: list(value) if isinstance(value, tuple) else value for name, value in more.items()
    }
    return JourneyQuestion.from_mapping({"by": by} | parts)


def question(
    walks: Sequence[Walk], choices: JourneyQuestion
) -> tuple[dict[str, tuple[str, bool]], Counter[Any]]:
    """Return the answer of DuckDB."""
    con = connect()
    con.con.register("walks", as_events(walks))
    return answer(con, con.table("walks"), choices)


def types(*kinds: str) -> Walk:
    """Return a session of event types alone."""
    return [(kind, None) for kind in kinds]


# By story

STORY = [types("home", "list", "item", "list", "item", "buy"), types("item", "home"), types("home")]


def test_paths_begin_at_the_first_of_a_step_and_others_are_left_out() -> None:
    paths, counts = question(STORY, field(from_step="item"))
    assert {who: path for who, (path, _) in paths.items()} == {
        "v0": "item → list → item → buy",
        "v1": "item → home",
    }
    assert counts[0, "(start)", "item"] == 2
    assert counts[1, "item", "list"] == 1


def test_paths_end_at_the_first_of_a_step() -> None:
    paths, counts = question(STORY, field(to_step="item"))
    assert {who: path for who, (path, _) in paths.items()} == {
        "v0": "home → list → item",
        "v1": "item",
    }
    assert (counts[3, "item", "(exit)"], counts[1, "item", "(exit)"]) == (1, 1)


def test_from_a_step_to_another_or_to_itself() -> None:
    paths, _ = question(STORY, field(from_step="list", to_step="item"))
    assert paths == {"v0": ("list → item", False)}
    paths, _ = question(STORY, field(from_step="item", to_step="item"))
    assert paths == {"v0": ("item → list → item", False)}


def test_a_long_way_to_a_step_keeps_its_end() -> None:
    walk = types(*("ab"[n % 2] for n in range(30)), "buy")
    paths, counts = question([walk], field(to_step="buy"))
    path, _ = paths["v0"]
    assert (path.count("→"), path[-7:]) == (19, "b → buy")
    assert sum(counts.values()) == 21  # from the start, between 20 steps, and the exit


def test_excluded_types_are_no_steps_and_what_they_parted_is_one() -> None:
    paths, _ = question([types("home", "scroll", "home", "buy")], field(exclude=("scroll",)))
    assert paths == {"v0": ("home → buy", False)}
    paths, _ = question([types("scroll")], field(exclude=("scroll",)))
    assert paths == {"v0": ("", False)}


def test_pages_are_paths_and_patterns_group_them() -> None:
    walk: Walk = [("page_view", page) for page in PAGES]
    paths, _ = question([walk], field("page"))
    assert paths["v0"][0] == "/product/1 → /product/2 → / → /cart → /product/1"
    paths, _ = question([walk], field("page", group=("/product/*", "/c*")))
    assert paths["v0"][0] == "/product/* → / → /c* → /product/*"


# Against plain Python


def expected(
    walks: Sequence[Walk], choices: JourneyQuestion
) -> tuple[dict[str, str], Counter[Any]]:
    """Return paths and transitions by walking through each session."""
    paths, counts = {}, Counter[Any]()
    for who, walk in enumerate(walks):
        names = [
            kind if choices.by == "page_type" else _page(page, choices.group)
            for kind, page in walk
            if kind not in choices.exclude
        ]
        taken: list[str] | None = [
            name for name, _ in groupby(name for name in names if name is not None)
        ]
        taken = _part(taken or [], choices)
        if taken is None:
            continue
        paths[f"v{who}"] = " → ".join(taken[:20])
        for position, (from_step, to_step) in enumerate(pairwise(["(start)", *taken, "(exit)"])):
            counts[min(position, 10), from_step, to_step] += 1
    return paths, counts


def _page(url: str | None, patterns: Sequence[str]) -> str | None:
    if url is None:
        return None
    path = "/" + "/".join(url.partition("//")[2].split("/")[1:]) if "//" in url else url
    path = path.partition("?")[0].partition("#")[0].rstrip("/") or "/"
    return next((pattern for pattern in patterns if fnmatch.fnmatchcase(path, pattern)), path)


def _part(taken: list[str], choices: JourneyQuestion) -> list[str] | None:
    if choices.from_step:
        if choices.from_step not in taken:
            return None
        taken = taken[taken.index(choices.from_step) :]
    if choices.to_step:
        position = next(
            (
                n
                for n, name in enumerate(taken)
                if name == choices.to_step and (n or not choices.from_step)
            ),
            None,
        )
        if position is None:
            return None
        taken = taken[: position + 1]
        taken = taken if choices.from_step else taken[-20:]
    return taken or None if choices.from_step or choices.to_step else taken


STEPS = st.sampled_from([None, "home", "item", "buy"])
CHOICES = st.builds(
    field,
    by=st.just("page_type"),
    exclude=st.sampled_from([(), ("home",), ("item", "list")]),
    from_step=STEPS,
    to_step=STEPS,
)
OF_PAGES = st.builds(
    field,
    by=st.just("page"),
    group=st.sampled_from([(), ("/product/*",), ("/*/1", "/product/*")]),
    from_step=st.sampled_from([None, "/cart", "/product/*"]),
    to_step=st.sampled_from([None, "/", "/product/*"]),
)


def walks_of(seed: int) -> list[Walk]:
    """Return a few sessions, some of them long."""
    dice = random.Random(seed)  # noqa: S311 (streams, not secrets)
    kinds = ("home", "list", "item", "buy", "purchase")
    return [
        [(dice.choice(kinds), dice.choice(PAGES)) for _ in range(dice.choice((1, 3, 8, 50)))]
        for _ in range(dice.randint(1, 8))
    ]


@pytest.mark.slow
@examples(80)
@given(seed=st.integers(0, 10_000), choices=st.one_of(CHOICES, OF_PAGES))
def test_paths_and_transitions_are_those_of_the_definition(
    seed: int, choices: JourneyQuestion
) -> None:
    walks = walks_of(seed)
    paths, counts = question(walks, choices)
    ours = {who: path.removesuffix(" → …") for who, (path, _) in paths.items()}
    assert (ours, counts) == expected(walks, choices)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_postgres_says_the_same(postgres_server: str, seed: int) -> None:
    walks = walks_of(seed)
    engine = PostgresEngine(Settings(warehouse=fresh_database(postgres_server))).open()
    events = engine.con.create_table("walks", as_events(walks))
    for choices in (
        field(from_step="home", to_step="buy"),
        field(to_step="item", exclude=("list",)),
        field("page", group=("/product/*",), from_step="/cart"),
    ):
        assert answer(engine.con, events, choices) == question(walks, choices)
    engine.close()


def test_a_pattern_is_text_but_for_its_stars() -> None:
    urls = ibis.memtable(pa.table({"url": ["/a.b", "/axb", "/a+b/c", "/a/b"]}))
    actual = connect().to_pyarrow(urls.select(page=page_of(urls.url, ("/a.b", "/a+b/*"))))
    assert actual["page"].to_pylist() == ["/a.b", "/axb", "/a+b/*", "/a/b"]


@each(
    "definition, why",
    [
        ({"by": "pages"}, "step of a journey 'pages' is unknown; did you mean 'page'"),
        ({"group": ["/a/*"]}, "Patterns group pages, and steps are by page_type; ask by page"),
        ({"by": "page", "group": ["https://shop.example/*"]}, "paths of pages without a host"),
        ({"min_count": 0}, "`min_count` of a journey definition is at least 1, not 0"),
        ({"most_steps": 0}, "A path of 0 steps cannot be kept; give 1 to 40"),
        ({"most_steps": 41}, "A path of 41 steps cannot be kept; give 1 to 40"),
        ({"from_step": "(start)"}, r"Every session has \(start\); name another step"),
    ],
)
def test_choices_that_cannot_be_are_refused(definition: dict[str, Any], why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        JourneyQuestion.from_mapping(definition)

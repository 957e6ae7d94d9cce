"""Tiles from the answers of the API, in which the period, the one before and the change stand side by side."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ecom_assets.dashboard.blocks import Tile, Why
from ecom_assets.dashboard.formats import Kind
from ecom_assets.dashboard.sparkline import Sparkline


def meaning(answer: Mapping[str, Any], *names: str) -> str:
    """Return the definitions of some numbers of an answer; by default of all."""
    definition = answer["definition"]
    matches = [definition[name] for name in names or definition if isinstance(definition.get(name), str)]
    return " ".join(f"{text}." if not text.endswith(".") else text for text in matches)


def compared_tile(  # noqa: PLR0913 (what a tile says)
    answer: Mapping[str, Any],
    part: str,
    name: str,
    label: str,
    kind: Kind,
    *,
    table: str,
    points: Sequence[Mapping[str, Any]] = (),
    better: Literal["up", "down"] | None = "up",
    href: str = "",
) -> Tile:
    """Return the tile of a number that an answer compares with the period before.

    Args:
        answer: The answer, with `previous`, `change` and `definition`.
        part: The field of the answer that holds the numbers of the period.
        name: The number.
        label: What it is called.
        kind: What it is.
        table: The table that it is counted from.
        points: The number over time.
        better: Which direction is good.
        href: A page that says more.
    """
    return Tile(
        label,
        answer[part][name],
        kind,
        meaning(answer, name),
        previous=(answer["previous"] or {}).get(name),
        change=answer["change"].get(name),
        better=better,
        trend=Sparkline.of([point[name] for point in points]),
        why=Why(table, name),
        href=href,
    )

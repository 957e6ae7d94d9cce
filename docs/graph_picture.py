"""The picture of the asset graph:
a box per subject from what is received on the left to what is sent on the right.

Dagster's UI shows each table; here are subjects, so that the picture fits a page. `make_docs.py`
reads from the definitions which tables there are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from html import escape
from itertools import pairwise

RECEIVED = {
    "events": ("events", "Snowflake, files", {"raw", "staging"}),
    "sales": ("orders", "report API, files", {"raw", "staging"}),
    "customers": ("customers", "paginated API, files", {"raw"}),
    "products": ("stock", "API, files", {"raw"}),
}
"""What is received, by subject: its title, where it comes from,
and its layers up to where other subjects are read.
"""
SENT = {"delivery": "four tools, customers.json", "serving": "HTTP API, dashboard"}
COLOURS = {"received": "#3f7d58", "mart": "#a8701a", "sent": "#8a4a93"}
BOX_WIDTH, BOX_HEIGHT = 168, 58
COLUMN_GAP, ROW_GAP, MARGIN = 56, 22, 16

Parents = Mapping[str, frozenset[str]]
"""Each node with those that it reads."""


def without_shortcuts(parents: Parents) -> Parents:
    """Return the graph without arrows that a route over other nodes makes redundant:
    they would hide the others.
    """

    @cache
    def before(name: str) -> frozenset[str]:
        return parents[name].union(*(before(parent) for parent in parents[name]))

    return {
        name: frozenset(
            parent
            for parent in direct
            if not any(parent in before(other) for other in direct if other != parent)
        )
        for name, direct in parents.items()
    }


@dataclass(frozen=True)
class Asset:
    """A table or a delivery: its key as `layer/name`, its subject, and the keys that it reads."""

    key: str
    subject: str
    reads: frozenset[str]

    @property
    def node(self) -> str:
        """Return the box that it is part of:
        what is received of a subject stands apart from what is made of it.
        """
        if self.key == "staging/events":  # given their visitors there
            return "identity"
        _, _, layers = RECEIVED.get(self.subject, ("", "", ()))
        return f"received {self.subject}" if self.key.partition("/")[0] in layers else self.subject


@dataclass(frozen=True)
class Picture:
    """The asset graph drawn by subject."""

    assets: tuple[Asset, ...]

    @cached_property
    def parents(self) -> Parents:
        """Return the boxes with those that they read."""
        node = {asset.key: asset.node for asset in self.assets}
        return without_shortcuts(
            {
                name: frozenset(
                    node[key] for asset in self.assets if asset.node == name for key in asset.reads
                )
                - {name}
                for name in sorted(set(node.values()))
            }
        )

    @cached_property
    def depths(self) -> dict[str, int]:
        """Return the column of each box, from left to right; what is sent stands last."""

        @cache
        def depth(name: str) -> int:
            return 1 + max(map(depth, self.parents[name])) if self.parents[name] else 0

        last = max(map(depth, self.parents))
        return {name: last if name in SENT else depth(name) for name in self.parents}

    @cached_property
    def routes(self) -> dict[tuple[str, str], list[str]]:
        """Return each arrow with what it passes: its boxes,
        and a gap in each column between them.
        """
        return {
            (parent, child): [
                parent,
                *(
                    f"{parent} > {child} {column}"
                    for column in range(self.depths[parent] + 1, self.depths[child])
                ),
                child,
            ]
            for child in self.parents
            for parent in sorted(self.parents[child])
        }

    @cached_property
    def columns(self) -> list[list[str]]:
        """Return the boxes and gaps from left to right,
        each near the middle of what leads to it.
        """
        before: dict[str, list[str]] = {name: [] for name in self.parents}
        column = dict(self.depths)
        for (parent, _), route in self.routes.items():
            for number, (left, right) in enumerate(pairwise(route), self.depths[parent] + 1):
                before.setdefault(right, []).append(left)
                column.setdefault(right, number)
        height: dict[str, float] = {}
        columns = []
        for number in range(max(column.values()) + 1):
            names = [name for name in before if column[name] == number]
            names.sort(key=lambda name: (_mean(height[left] for left in before[name]), name))
            height |= {name: (row + 0.5) / len(names) for row, name in enumerate(names)}
            columns.append(names)
        return columns

    @cached_property
    def corners(self) -> dict[str, tuple[int, int]]:
        """Return the upper left corner of each box and gap."""
        corners = {}
        for number, names in enumerate(self.columns):
            y = MARGIN + (self.height - 2 * MARGIN - self._column_height(names)) // 2
            for name in names:
                corners[name] = (MARGIN + number * (BOX_WIDTH + COLUMN_GAP), y)
                y += self._height(name) + ROW_GAP
        return corners

    @property
    def width(self) -> int:
        """Return the width in pixels."""
        return 2 * MARGIN + len(self.columns) * (BOX_WIDTH + COLUMN_GAP) - COLUMN_GAP

    @property
    def height(self) -> int:
        """Return the height in pixels."""
        return 2 * MARGIN + max(map(self._column_height, self.columns))

    def _height(self, name: str) -> int:
        return BOX_HEIGHT if name in self.parents else 0

    def _column_height(self, names: list[str]) -> int:
        return sum(map(self._height, names)) + (len(names) - 1) * ROW_GAP

    @cached_property
    def svg(self) -> str:
        """Return the whole drawing."""
        size = (
            f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        )
        parts = [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" '
                'font-family="Helvetica, Arial, sans-serif">'
            ),
            (
                "<title>Subjects of tables and what each is computed from; what follows from other "
                "arrows has none</title>"
            ),
            (
                '<defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" '
                'markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" '
                'fill="#6b7280"/></marker></defs>'
            ),
            f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>',
            *(self._arrow(route) for route in self.routes.values()),
            *(self._box(name) for name in self.parents),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _arrow(self, route: list[str]) -> str:
        x, y = self.corners[route[0]]
        path = f"M{x + BOX_WIDTH},{y + BOX_HEIGHT // 2}"
        for left, right in pairwise(route):
            (x, y), (to_x, to_y) = self.corners[left], self.corners[right]
            x, y, to_y = x + BOX_WIDTH, y + self._height(left) // 2, to_y + self._height(right) // 2
            middle = (x + to_x) // 2
            path += f" C{middle},{y} {middle},{to_y} {to_x},{to_y}" + (
                "" if right == route[-1] else f" h{BOX_WIDTH}"
            )
        return (
            f'<path d="{path}" fill="none" stroke="#6b7280" stroke-width="1.4" '
            'marker-end="url(#tip)"/>'
        )

    def _box(self, name: str) -> str:
        x, y = self.corners[name]
        kind, title, caption = self._labels(name)
        middle = x + BOX_WIDTH // 2
        return (
            f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="7" '
            f'fill="#ffffff" stroke="{COLOURS[kind]}" stroke-width="1.8"/>'
            + _text(middle, y + 25, title, 'font-size="15" font-weight="600" fill="#111827"')
            + _text(middle, y + 44, caption, 'font-size="11.5" fill="#4b5563"')
        )

    def _labels(self, name: str) -> tuple[str, str, str]:
        count = sum(asset.node == name for asset in self.assets)
        if name in SENT:
            return "sent", name, SENT[name]
        if name.startswith("received "):
            title, source, _ = RECEIVED[name.removeprefix("received ")]
            return "received", title, source
        return "mart", name.replace("_", " "), f"{count} tables" if count > 1 else "1 table"


def _mean(numbers: Iterable[float]) -> float:
    values = list(numbers)
    return sum(values) / len(values) if values else 0.0


def _text(x: int, y: int, label: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle" {style}>{escape(label)}</text>'

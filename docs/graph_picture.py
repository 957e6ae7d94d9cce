"""The picture of the asset graph: tables as boxes in a band per layer, arrows from what is read.

Not here: which tables there are (`make_docs.py` asks the definitions).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from html import escape

from ecom_assets.registry import BY_KEY

LAYERS = {
    "raw": ("#eef2f7", "#5b6b82"),
    "staging": ("#eaf5ee", "#3f7d58"),
    "mart": ("#fdf3e3", "#a8701a"),
    "export": ("#f6ebf7", "#8a4a93"),
    "serving": ("#eef6f8", "#3b7384"),
}
"""The layers from top to bottom, with the colours of their band and of their tables' frames."""
BOX_WIDTH, BOX_HEIGHT = 218, 52
COLUMN_GAP, ROW_GAP = 44, 22
MARGIN, BAND_GAP, BAND_PAD, LABEL_HEIGHT = 16, 22, 18, 22

Parents = Mapping[str, frozenset[str]]


def without_shortcuts(parents: Parents) -> Parents:
    """Return the graph without arrows that lead where a way over other tables leads too: they would hide the rest."""

    @cache
    def before(name: str) -> frozenset[str]:
        return parents[name].union(*(before(parent) for parent in parents[name]))

    return {
        name: frozenset(
            parent for parent in direct if not any(parent in before(other) for other in direct if other != parent)
        )
        for name, direct in parents.items()
    }


@dataclass(frozen=True)
class Place:
    """Where a table's box is: its upper left corner."""

    x: int
    y: int

    @property
    def middle_x(self) -> int:
        """Return the x of its middle."""
        return self.x + BOX_WIDTH // 2

    @property
    def middle_y(self) -> int:
        """Return the y of its middle."""
        return self.y + BOX_HEIGHT // 2


@dataclass(frozen=True)
class Picture:
    """The asset graph drawn: a band per layer, tables from left to right, arrows from what is read."""

    parents: Parents

    @cached_property
    def svg(self) -> str:
        """Return the whole drawing."""
        width = max(place.x for place in self.places.values()) + BOX_WIDTH + MARGIN + BAND_PAD
        *_, (_, last_y, last_height) = self.bands
        height = last_y + last_height + MARGIN
        parts = [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                f'height="{height}" role="img" font-family="Helvetica, Arial, sans-serif">'
            ),
            "<title>The tables and what each is computed from; what follows from other arrows has none</title>",
            (
                '<defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" '
                'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#6b7280"/></marker></defs>'
            ),
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *(self._band(layer, y, band_height, width) for layer, y, band_height in self.bands),
            *(self._arrow(parent, child) for child in sorted(self.parents) for parent in sorted(self.parents[child])),
            *(self._box(name) for name in sorted(self.parents)),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    @cached_property
    def columns(self) -> dict[str, list[list[str]]]:
        """Return each layer's tables, column by column.

        What is read by others of its layer stands left of them. What reads nothing of its layer is reached from above,
        and has a column of its own.
        """
        columns: dict[str, list[list[str]]] = {}
        for layer in LAYERS:
            depths = {name: self._depth(name) for name in sorted(self.parents) if _layer(name) == layer}
            readers = {name: sum(name in self.parents[other] for other in depths) for name in depths}
            roots = sorted((name for name in depths if not depths[name]), key=lambda name: (readers[name], name))
            deeper = sorted({depth for depth in depths.values() if depth})
            columns[layer] = [[name] for name in roots]
            columns[layer] += [[name for name in depths if depths[name] == depth] for depth in deeper]
        return columns

    @cached_property
    def bands(self) -> list[tuple[str, int, int]]:
        """Return each layer with the top and the height of its band."""
        bands, y = [], MARGIN
        for layer, columns in self.columns.items():
            rows = max(len(column) for column in columns)
            height = LABEL_HEIGHT + 2 * BAND_PAD + rows * BOX_HEIGHT + (rows - 1) * ROW_GAP
            bands.append((layer, y, height))
            y += height + BAND_GAP
        return bands

    @cached_property
    def places(self) -> dict[str, Place]:
        """Return where each table is drawn."""
        return {name: place for layer, y, height in self.bands for name, place in self._placed(layer, y, height)}

    def _placed(self, layer: str, y: int, height: int) -> Iterator[tuple[str, Place]]:
        middle_y = y + LABEL_HEIGHT + (height - LABEL_HEIGHT) // 2
        for number, column in enumerate(self.columns[layer]):
            top = middle_y - (len(column) * BOX_HEIGHT + (len(column) - 1) * ROW_GAP) // 2
            for row, name in enumerate(column):
                x = MARGIN + BAND_PAD + number * (BOX_WIDTH + COLUMN_GAP)
                yield name, Place(x, top + row * (BOX_HEIGHT + ROW_GAP))

    def _depth(self, name: str) -> int:
        inside = [parent for parent in self.parents[name] if _layer(parent) == _layer(name)]
        return 1 + max(map(self._depth, inside)) if inside else 0

    def _arrow(self, parent: str, child: str) -> str:
        start, end = self.places[parent], self.places[child]
        if _layer(parent) != _layer(child):
            x, y, to_x, to_y = start.middle_x, start.y + BOX_HEIGHT, end.middle_x, end.y
            bend = (to_y - y) // 2
            path = f"M{x},{y} C{x},{y + bend} {to_x},{to_y - bend} {to_x},{to_y}"
        elif end.x - start.x > BOX_WIDTH + COLUMN_GAP:  # over the heads, or under the feet, of those between
            y = start.y if end.middle_y <= start.middle_y else start.y + BOX_HEIGHT
            x, bend = start.middle_x + BOX_WIDTH // 4, COLUMN_GAP
            path = f"M{x},{y} C{x},{end.middle_y} {x + bend},{end.middle_y} {x + 2 * bend},{end.middle_y} H{end.x}"
        else:
            x, y, to_x, to_y = start.x + BOX_WIDTH, start.middle_y, end.x, end.middle_y
            bend = COLUMN_GAP // 2
            path = f"M{x},{y} C{x + bend},{y} {to_x - bend},{to_y} {to_x},{to_y}"
        return f'<path d="{path}" fill="none" stroke="#6b7280" stroke-width="1.4" marker-end="url(#tip)"/>'

    def _box(self, name: str) -> str:
        place, contract = self.places[name], BY_KEY.get(name)
        layer, _, title = name.partition("/")
        if contract is None:
            sent = "sent by day" if name.endswith("_events") else "sent whole"
            below = "a snapshot for the API" if layer == "serving" else sent
        else:
            below = f"by {contract.day_column}" if contract.day_column else "whole"
        lines = [
            (
                f'<rect x="{place.x}" y="{place.y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="7" fill="#ffffff" '
                f'stroke="{LAYERS[layer][1]}" stroke-width="1.6"/>'
            ),
            _text(place.middle_x, place.y + 23, title, 'font-size="13.5" font-weight="600" fill="#111827"'),
            _text(place.middle_x, place.y + 41, below, 'font-size="12.5" fill="#4b5563"'),
        ]
        return "".join(lines)

    @staticmethod
    def _band(layer: str, y: int, height: int, width: int) -> str:
        fill, ink = LAYERS[layer]
        label = (
            f'<text x="{MARGIN + BAND_PAD}" y="{y + 23}" font-size="14" font-weight="700" fill="{ink}">{layer}</text>'
        )
        return (
            f'<rect x="{MARGIN}" y="{y}" width="{width - 2 * MARGIN}" height="{height}" rx="10" fill="{fill}"/>{label}'
        )


def _layer(name: str) -> str:
    return name.partition("/")[0]


def _text(x: int, y: int, words: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle" {style}>{escape(words)}</text>'

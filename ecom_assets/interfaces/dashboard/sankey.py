"""Sankey diagrams: flows between the nodes of columns, laid out here and drawn by Vega."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ecom_assets.core.rows import Row

GAP: Final = 0.02
"""Space between two nodes of a column, as a share of the height."""
NODE: Final = 0.012
"""Width of a node, as a share of the width."""
Spec = dict[str, Any]


@dataclass(frozen=True)
class Flow:
    """A flow from a node of a column to a node of the next one; `converted` is None where nobody
    knows who bought.
    """

    column: int
    source: str
    target: str
    count: int
    converted: int | None = 0


def rows_of(flows: Iterable[Flow], columns: int) -> tuple[list[Row], list[Row]]:
    """Return the flows and the nodes with their places, all from 0 to 1.

    Nodes stand in the order of their size, and flows at a node in the order of the nodes at their
    other end, so that the same numbers always look the same.
    """
    listed = sorted(flows, key=lambda flow: (flow.column, -flow.count, flow.source, flow.target))
    sizes = _sizes(listed, columns)
    scale = min((1 - GAP * (len(column) - 1)) / sum(column.values()) for column in sizes if column)
    nodes = {
        (column, name): y
        for column, of_column in enumerate(sizes)
        for name, y in _stacked(of_column, scale).items()
    }
    step = (1 - NODE) / max(columns - 1, 1)
    used_out: dict[tuple[int, str], float] = defaultdict(float)
    used_in: dict[tuple[int, str], float] = defaultdict(float)
    drawn = []
    for flow in sorted(
        listed,
        key=lambda flow: (nodes[flow.column, flow.source], nodes[flow.column + 1, flow.target]),
    ):
        source, target, thick = (
            (flow.column, flow.source),
            (flow.column + 1, flow.target),
            flow.count * scale,
        )
        drawn.append(
            {
                "step": flow.column + 1,
                "from_step": flow.source,
                "to_step": flow.target,
                "transition_count": flow.count,
                "conversion_rate": None
                if flow.converted is None or not flow.count
                else flow.converted / flow.count,
                "x0": flow.column * step + NODE,
                "x1": (flow.column + 1) * step,
                "thick": thick,
                "y0": nodes[source] + used_out[source] + thick / 2,
                "y1": nodes[target] + used_in[target] + thick / 2,
            }
        )
        used_out[source] += thick
        used_in[target] += thick
    boxes = [
        {
            "x": column * step,
            "y": y,
            "high": sizes[column][name] * scale,
            "name": name,
            "count": sizes[column][name],
            "is_last": column == columns - 1,
        }
        for (column, name), y in nodes.items()
    ]
    return drawn, boxes


def _sizes(flows: Sequence[Flow], columns: int) -> list[dict[str, int]]:
    """Return the size of each node: the larger of its inflow and its outflow."""
    into: list[dict[str, int]] = [defaultdict(int) for _ in range(columns)]
    out: list[dict[str, int]] = [defaultdict(int) for _ in range(columns)]
    for flow in flows:
        out[flow.column][flow.source] += flow.count
        into[flow.column + 1][flow.target] += flow.count
    return [
        {name: max(came.get(name, 0), left.get(name, 0)) for name in {*came, *left}}
        for came, left in zip(into, out, strict=True)
    ]


def _stacked(sizes: dict[str, int], scale: float) -> dict[str, float]:
    """Return the position of each node of a column, the largest first."""
    result, y = {}, 0.0
    for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        result[name] = y
        y += size * scale + GAP
    return result


def spec_of(nodes: list[Row]) -> Spec:
    """Return the Vega specification of a diagram; its data are the flows of `rows_of`."""
    return {
        "$schema": "https://vega.github.io/schema/vega/v6.json",
        "autosize": {"type": "none"},
        "padding": 2,
        "data": [{"name": "nodes", "values": nodes}],
        "marks": [_flow_marks(), _node_marks(), _flow_numbers(), _name_marks()],
    }


MIDDLE: Final = "(datum.x0 + datum.x1) / 2 * width"
PATH: Final = (
    "'M' + datum.x0 * width + ',' + datum.y0 * height + 'C' + "
    f"{MIDDLE} + ',' + datum.y0 * height + ' ' + {MIDDLE} + ',' + datum.y1 * height + ' ' + "
    "datum.x1 * width + ',' + datum.y1 * height"
)
FLOW_TIP: Final = (
    "{'From': datum.from_step, 'To': datum.to_step, 'Transitions': format(datum.transition_count, "
    "','), 'With a purchase': isValid(datum.conversion_rate) ? "
    "format(datum.conversion_rate, '.1%') : 'not known'}"
)
NODE_TIP: Final = "{'Step': datum.name, 'Sessions': format(datum.count, ',')}"


def _flow_marks() -> Spec:
    update = {
        "path": {"signal": PATH},
        "stroke": {"value": "theme.c1"},
        "strokeWidth": {"signal": "max(1, datum.thick * height)"},
        "strokeOpacity": {"value": 0.28},
        "tooltip": {"signal": FLOW_TIP},
    }
    return {
        "type": "path",
        "from": {"data": "table"},
        "encode": {"update": update, "hover": {"strokeOpacity": {"value": 0.6}}},
    }


def _short(name: str) -> str:
    """Return the expression of a number in few digits; the text beside the pointer has all."""
    return f"(datum.{name} < 1000 ? format(datum.{name}, ',') : format(datum.{name}, '.3~s'))"


def _flow_numbers() -> Spec:
    """Return the numbers on the flows that are thick enough and have room between their columns."""
    update = {
        "x": {"signal": "(datum.x0 + 0.52 * (datum.x1 - datum.x0)) * width"},
        "y": {"signal": "(datum.y0 + datum.y1) / 2 * height"},
        "align": {"value": "center"},
        "baseline": {"value": "middle"},
        "fill": {"value": "theme.muted"},
        "fontSize": {"value": 11},
        "text": {
            "signal": (
                f"datum.thick * height < 30 || width < 700 ? '' : {_short('transition_count')}"
            )
        },
    }
    return {
        "type": "text",
        "from": {"data": "table"},
        "interactive": False,
        "encode": {"update": update},
    }


def _node_marks() -> Spec:
    update = {
        "x": {"signal": "datum.x * width"},
        "y": {"signal": "datum.y * height"},
        "width": {"signal": f"max(3, {NODE} * width)"},
        "height": {"signal": "max(1, datum.high * height)"},
        "fill": {"value": "theme.c1"},
        "tooltip": {"signal": NODE_TIP},
    }
    return {"type": "rect", "from": {"data": "nodes"}, "encode": {"update": update}}


def _name_marks() -> Spec:
    update = {
        "x": {"signal": f"datum.is_last ? datum.x * width - 4 : (datum.x + {NODE}) * width + 4"},
        "y": {"signal": "(datum.y + datum.high / 2) * height"},
        "align": {"signal": "datum.is_last ? 'right' : 'left'"},
        "baseline": {"value": "middle"},
        "fill": {"value": "theme.text"},
        "limit": {"signal": "width / 4"},
        "text": {"signal": f"datum.high * height < 9 ? '' : datum.name + ' ' + {_short('count')}"},
    }
    return {"type": "text", "from": {"data": "nodes"}, "encode": {"update": update}}

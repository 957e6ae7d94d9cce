"""What the goods of a line cost the shop, where a report of orders has it beside the price."""

from typing import Final

from ecom_assets.core.warehouse.sql_text import select
from ecom_assets.ingestion.sources.proposal.bare_names import bare
from ecom_assets.ingestion.sources.proposal.drafts.amount_options import plain_number
from ecom_assets.ingestion.sources.proposal.drafts.cents import in_cents
from ecom_assets.ingestion.sources.proposal.drafts.draft import COST, Draft
from ecom_assets.ingestion.sources.proposal.fields import (
    UNIT_PRICE,
    FoundField,
    MappingKind,
    column_names,
    named_as,
)
from ecom_assets.ingestion.sources.proposal.questions import quoted, shown
from ecom_assets.ingestion.sources.proposal.values import TABLE, Value

_OF_ANY: Final = frozenset({"cost", "cogs", "coste", "costo", "coût", "landed_cost", "wholesale"})
"""Names that say a cost of one piece, or of all pieces of a line."""
_NEAR: Final = 0.0051
_MOSTLY: Final = 0.5
_MOST_WITH_TAX: Final = 1.3
_MOST_TAXES: Final = 3
"""Prices with a tax are a few times those without, and less than this; margins are as many as
there are prices.
"""


def find_cost_of_lines(draft: Draft) -> None:
    """Find the column of what goods cost the shop, of one piece or of all pieces of a line.

    A cost is below the price on most rows. Of an item that was sold in different quantities, the
    cost of a piece stays the same, and that of a line grows with them; where no item was, and the
    name does not say it either, the column is noted and not used.
    """
    names = column_names()[MappingKind.COSTS][COST]
    named = [value for value in named_as(draft.values, names, draft.found) if draft.is_cell(value)]
    item = draft.found.get("item_id") or draft.found.get("item_name")
    if not named or item is None:
        return
    cost = named[0]
    is_of_piece = _is_of_piece(draft, cost, item.value)
    if is_of_piece is None:
        draft.notes.append(
            f"{shown(cost.name)} is not used: no item in different quantities shows whether it is "
            "that of one piece or of all; write `unit_cost_amount` in the mapping if it is of one"
        )
    elif _is_below_price(draft, cost, is_of_piece=is_of_piece):
        why = f"named {cost.name}{'' if is_of_piece else ', of all pieces of a line'}"
        draft.found[COST] = FoundField(COST, cost, why)
        draft.is_cost_of_line = not is_of_piece


def cost_of_piece(draft: Draft, cost: Value) -> str:
    """Return the line of the cost of one piece; 0 stands for a cost that nobody knows, in later
    files, too.
    """
    units = in_cents(draft, cost)
    sql = f"nullif({plain_number(draft, cost)}, 0)"
    if draft.is_cost_of_line:
        sql += f" / nullif({plain_number(draft, draft.found['quantity'].value)}, 0)"
    if cost in draft.cents and not units:
        sql += " / 100"
    options = ", ".join([f"expression: {quoted(sql)}", *units, "optional: true"])
    return f"  {COST}: {{{options}}}  # of one piece; 0 is not known"


def _is_of_piece(draft: Draft, cost: Value, item: Value) -> bool | None:
    """Return whether a cost is that of one piece, and not of all pieces of a line; None where
    neither values nor its name show it.
    """
    pieces = draft.found.get("quantity")
    if pieces is None:
        return True
    money, count = _number(draft, cost), _number(draft, pieces.value)
    lines = select(
        [f"{item.column} AS item", f"{money} AS cost", f"{count} AS pieces"],
        TABLE,
        f"{item.column} IS NOT NULL AND {money} > 0 AND {count} > 0",
    )
    spread = [
        "count(DISTINCT pieces) > 1 AS has_several",
        f"max(cost) - min(cost) < {_NEAR} AS is_same",
        f"max(cost / pieces) - min(cost / pieces) < {_NEAR} AS is_same_of_piece",
        "max(pieces) AS most",
    ]
    items = select(spread, f"({lines})", "", "item")
    of_piece, of_line, most = draft.values.rows(
        select(
            [
                "count(*) FILTER (has_several AND is_same)",
                "count(*) FILTER (has_several AND is_same_of_piece)",
                "max(most)",
            ],
            f"({items})",
        )
    )[0]
    if of_piece != of_line:
        return bool(of_piece > of_line)
    is_named_so = bare(cost.last_name) not in set(map(bare, _OF_ANY))
    return True if is_named_so or most in {None, 1} else None


def _is_below_price(draft: Draft, cost: Value, *, is_of_piece: bool) -> bool:
    """Return whether goods cost less than they were sold for, on most rows that say both, and not
    by a tax alone; where no row says both, the column may be the price.
    """
    price, pieces = draft.found.get(UNIT_PRICE), draft.found.get("quantity")
    payment = draft.payment()
    count = _number(draft, pieces.value) if pieces else "1"
    money = f"{_number(draft, cost)}{f' * {count}' if is_of_piece else ''}"
    if payment is not None:
        paid = _number(draft, payment)
    elif price is not None:
        paid = f"{_number(draft, price.value)} * {count}"
    else:
        return False
    lines = select([f"{paid} / {money} AS ratio"], TABLE, f"{money} > 0 AND {paid} > 0")
    cells = [
        "count(*)",
        "count(*) FILTER (ratio > 1)",
        "count(DISTINCT round(ratio, 2))",
        f"count(*) FILTER (ratio < {_MOST_WITH_TAX})",
    ]
    both, below, ratios, taxed = draft.values.rows(select(cells, f"({lines})"))[0]
    is_net_price = taxed == both and ratios <= _MOST_TAXES
    return bool(below > both * _MOSTLY and not is_net_price)


def _number(draft: Draft, value: Value) -> str:
    return f"abs({draft.values.number_sql(value)})::DOUBLE"

"""What of saved questions, boards, alerts and e-mails somebody may see: of people only with the
scope `personal`, of costs only with `costs`. The API and the pages show the same.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from starlette.types import Scope as RequestScope

from ecom_assets.commerce.custom_sales.dimensions import DISCOUNT_CODE
from ecom_assets.commerce.custom_sales.question import SalesQuestion
from ecom_assets.core.errors import EcomError
from ecom_assets.core.http_server.callers import Scope, ScopeNeededError, may
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.conditions import columns_of, parse_where
from ecom_assets.interfaces.api.auth.callers import COST_COLUMNS, are_personal, may_see_people
from ecom_assets.interfaces.boards.model import (
    Board,
    BoardMail,
    Kept,
    MonthGoal,
    NumberAlert,
    SavedQuestion,
    shop_numbers,
)
from ecom_assets.interfaces.boards.store import BoardStore, KeptVersion

WITHHELD_FIELDS: Final[Mapping[Scope, Mapping[str, tuple[str, ...]]]] = {
    Scope.PERSONAL: {
        "questions": ("definition", "form"),
        "boards": ("where", "segment"),
        "alerts": ("value", "number", "emails"),
        "mails": ("emails",),
    },
    Scope.COSTS: {
        "questions": ("definition", "form"),
        "boards": ("where",),
        "alerts": ("limit", "description"),
        "goals": ("amount",),
    },
}
"""What of each kind a key without the scope does not see, where it names a person, or is about
costs.
"""
PICKED_ROW: Final = re.compile(r"\[(?!step=)\w+=(?P<value>[^\]]*)\]")
"""The row of an answer that the `number` of an alert picks by a value of a breakdown, such as
`channels[channel=Email].credit`; steps of funnels are numbered.
"""


def lacking_scopes(
    version: KeptVersion[Any], request: RequestScope, store: BoardStore
) -> list[Scope]:
    """Return the scopes that a caller lacks to see all of a version."""
    lacking = []
    if not may(request, Scope.PERSONAL) and names_people(version):
        lacking.append(Scope.PERSONAL)
    if not may(request, Scope.COSTS) and watches_costs(version, store):
        lacking.append(Scope.COSTS)
    return lacking


def visible_content(
    version: KeptVersion[Any], request: RequestScope, store: BoardStore
) -> dict[str, Any]:
    """Return the fields of a version that a caller may see."""
    withheld = {
        name
        for scope in lacking_scopes(version, request, store)
        for name in WITHHELD_FIELDS[scope].get(version.kind.KIND, ())
    }
    return {
        name: value
        for name, value in version.content.items()
        if name not in withheld or (name == "number" and not values_picked(version.content))
    }


def values_picked(content: NamedValues) -> list[str]:
    """Return the values of breakdowns by which an alert's `number` picks rows."""
    return [match["value"] for match in PICKED_ROW.finditer(content.get("number") or "")]


def scopes_to_watch(
    version: KeptVersion[Any], request: RequestScope, store: BoardStore
) -> list[Scope]:
    """Return the scopes that a caller lacks to see the numbers of a version: those of what its
    question, or the one that an alert watches, asks about.
    """
    needs = ((Scope.COSTS, watches_costs), (Scope.PERSONAL, watches_people))
    return [
        scope for scope, is_needed in needs if not may(request, scope) and is_needed(version, store)
    ]


def watches_costs(version: KeptVersion[Any], store: BoardStore) -> bool:
    """Return whether a version asks about costs, or is an alert that watches them; one that cannot
    be read counts as such.
    """
    return _asks_about(version, store, asks_about_costs)


def watches_people(version: KeptVersion[Any], store: BoardStore) -> bool:
    """Return whether a version asks about people, or is an alert that watches them; one that cannot
    be read counts as such.
    """
    return _asks_about(version, store, asks_about_people)


def _asks_about(
    version: KeptVersion[Any], store: BoardStore, asks: Callable[[Kept, BoardStore], bool]
) -> bool:
    if not version.content:
        return False
    try:
        return asks(version.item, store)
    except EcomError:
        return True


def names_people(version: KeptVersion[Any]) -> bool:
    """Return whether a version has conditions on columns with personal data,
    the value of a breakdown, or addresses.

    One that cannot be read counts as such.
    """
    try:
        if isinstance(version.item, NumberAlert | BoardMail):
            hidden = {*WITHHELD_FIELDS[Scope.PERSONAL][version.kind.KIND]} - {"number"}
            return any(map(version.content.get, hidden)) or bool(values_picked(version.content))
        return has_conditions_on_people(version.item)
    except EcomError:
        return True


def has_conditions_on_people(item: Kept) -> bool:
    """Return whether an item names columns with personal data, or has a condition on codes of
    discounts: one of a single person is read there by everyone who reads the item.
    """
    return are_personal(_columns_of(item)) or _has_conditions_on_codes(item)


def _has_conditions_on_codes(item: Kept) -> bool:
    return DISCOUNT_CODE in _columns_of(item)


def require_readable(item: Kept, request: RequestScope) -> None:
    """Raise if an item has conditions on codes of discounts, and the key lacks the scope
    `personal`: its answer repeats them, and has no lines of codes that name a person. Columns with
    personal data are refused where the question is asked.

    Raises:
        ScopeNeededError: The message names the item.
    """
    if _has_conditions_on_codes(item) and not may_see_people(request):
        raise ScopeNeededError(
            f"{item.title!r} has a condition on codes of discounts, which may name a person, so a "
            f"key without the scope {Scope.PERSONAL.value!r} may not see it; use one of `ecom "
            "api-key create --scope read --scope personal`.",
            Scope.PERSONAL,
        )


def _columns_of(item: Kept) -> Sequence[str]:
    if isinstance(item, SavedQuestion):
        return item.question.columns
    return list(columns_of(parse_where(item.where))) if isinstance(item, Board) else ()


def asks_about_people(item: Kept, store: BoardStore) -> bool:
    """Return whether the answers of an item are about people: its own conditions,
    or those of what it watches or sends; and a single code of a discount that it watches.

    A question that is not there any more is about nobody.
    """
    if isinstance(item, NumberAlert) and item.question:
        watched = store.find(SavedQuestion, item.question)
        return watched is not None and (names_people(watched) or _watches_code(item, watched.item))
    if isinstance(item, BoardMail):
        sent = store.find(Board, item.board)
        return sent is not None and names_people(sent)
    return has_conditions_on_people(item)


def _watches_code(alert: NumberAlert, saved: SavedQuestion) -> bool:
    question = saved.question
    is_by_code = isinstance(question, SalesQuestion) and DISCOUNT_CODE in question.by
    return is_by_code and alert.value is not None


def asks_about_costs(item: Kept, store: BoardStore) -> bool:
    """Return whether the answers of an item are about costs: its own, or those that it watches.

    A board is not, as each of its tiles is for those only who may see it.
    """
    if isinstance(item, NumberAlert | MonthGoal) and item.measure:
        return shop_numbers()[item.measure].is_cost
    if isinstance(item, NumberAlert) and item.question:
        watched = store.find(SavedQuestion, item.question)
        return watched is not None and asks_about_costs(watched.item, store)
    return not COST_COLUMNS.isdisjoint(_columns_of(item))

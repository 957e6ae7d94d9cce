"""What orders cost that no source says: fees of payments, shipping, commissions and what is paid by
month, as rules with days, edited by admins who may see costs. Each change is a version.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from ecom_assets.commerce.sales.contracts import City, Sales
from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.json_text import json_text
from ecom_assets.core.operations.requests import require_shared_home
from ecom_assets.core.rows import Answer
from ecom_assets.core.settings.cost_rules import read_rules
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import (
    OF_COSTS,
    CostVersion,
    choose_shop,
    chosen_costs,
    cost_versions,
    note_cost_version,
    shop_problem,
)
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.cost_rules import (
    CommissionRule,
    CostRule,
    OtherCostRule,
    PaymentFeeRule,
    ShippingCostRule,
)
from ecom_assets.core.tables.queries import Reading
from ecom_assets.ingestion.uploads.asking import ask_costs
from ecom_assets.ingestion.uploads.sight import seen_problem
from ecom_assets.interfaces.api.auth.callers import caller_of
from ecom_assets.interfaces.dashboard.blocks import Block, Custom, Nothing
from ecom_assets.interfaces.dashboard.page import (
    Action,
    ActionRequest,
    ActionResult,
    DashboardPage,
    PageParameters,
    Section,
    View,
    address_of,
)
from ecom_assets.interfaces.dashboard.pages.mapping import COSTS, PATH, PROGRESS
from ecom_assets.interfaces.dashboard.pages.mapping_files import settings_of

EMPTY_LINES: Final = 2
"""How many empty lines stand below the rules of a list, for further ones."""
MOST_KNOWN: Final = 100
"""How many values of orders are offered for a condition."""
CELL_LABELS: Final = {
    "payment_method": "Payment method",
    "country": "Country",
    "sales_channel": "Sales channel",
    "name": "What is paid for",
    "percent": "% of what was charged",
    "per_order": "Per order",
    "per_piece": "Per piece",
    "per_month": "Per month",
    "valid_from_date": "From",
    "valid_until_date": "Last day",
}
DATES: Final = ("valid_from_date", "valid_until_date")


@dataclass(frozen=True)
class RuleList:
    """A list of rules on the page.

    Attributes:
        setting: The setting that it is.
        kind: The rules in it.
        title: Its heading.
        sentence: What a rule of it says.
    """

    setting: str
    kind: type[CostRule]
    title: str
    sentence: str

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the fields of a rule, in the order of the page."""
        return (self.kind.condition, *self.kind.amounts, *DATES)


LISTS: Final = (
    RuleList(
        "payment_fee_rules",
        PaymentFeeRule,
        "Fees of payments",
        "What a payment costs. A line without a payment method is for all others.",
    ),
    RuleList(
        "shipping_cost_rules",
        ShippingCostRule,
        "Shipping",
        "What the shop pays for shipping. A line without a country is for all others.",
    ),
    RuleList(
        "commission_rules",
        CommissionRule,
        "Commissions",
        "What a marketplace takes of orders with its sales channel.",
    ),
    RuleList(
        "other_cost_rules",
        OtherCostRule,
        "Costs by month",
        "What is paid whatever is ordered, such as the rent of a tool; it is in no contribution.",
    ),
)
"""The lists of the page, in its order."""


def rules(view: View) -> Block:
    """Return the form with all rules; those that are set elsewhere are only shown."""
    settings = settings_of(view.request)
    known = _known_values(view)
    lists = [
        {
            "title": rule_list.title,
            "sentence": rule_list.sentence,
            "cells": [(cell, CELL_LABELS[cell], _type_of(cell)) for cell in rule_list.cells],
            "setting": rule_list.setting,
            "is_fixed": is_fixed(settings, rule_list),
            "rules": [rule.text for rule in getattr(settings, rule_list.setting)],
            "rows": [*_rows(settings, rule_list), *[{}] * EMPTY_LINES],
            "known": known.get(rule_list.kind.condition, []),
        }
        for rule_list in LISTS
    ]
    return Custom(
        "cost_rules.html",
        {
            "lists": lists,
            "can_change": not all(shown["is_fixed"] for shown in lists),
            "problem": seen_problem(shop_problem(settings.home), caller_of(view.request.scope)),
            "list": address_of(PATH, {}),
        },
    )


def versions(view: View) -> Block:
    """Return what the rules were after each change, the newest first."""
    kept = cost_versions(settings_of(view.request).home)
    if not kept:
        return Nothing()
    return Custom("cost_versions.html", {"rows": [_version(version) for version in kept]})


def _version(version: CostVersion) -> Answer:
    lines = [
        f"{rule_list.title}: {rule.text}"
        for rule_list in LISTS
        for rule in _read(rule_list, version.rules.get(rule_list.setting, "[]"))
    ]
    return {"version": version, "lines": lines}


def _type_of(cell: str) -> str:
    """Return how a cell of the form is typed."""
    if cell in DATES:
        return "date"
    return "number" if cell.startswith(("per_", "percent")) else "text"


def _rows(settings: Settings, rule_list: RuleList) -> Iterator[dict[str, str]]:
    for rule in getattr(settings, rule_list.setting):
        yield {
            name: f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
            for name, value in rule.model_dump(exclude_none=True).items()
        }


def _known_values(view: View) -> dict[str, list[str]]:
    """Return the values that orders have for the conditions of rules, as far as some are known."""
    reading = view.context.reading if view.context.has_reading else None
    if reading is None:
        return {}
    columns = {"payment_method": Sales, "sales_channel": Sales, "country": City}
    return {name: _values(reading, table, name) for name, table in columns.items()}


def _values(reading: Reading, table: Contract, column: str) -> list[str]:
    """Return the values of a column without those for none, such as `(unknown)`."""
    values = reading.table(table).select(value=column).distinct()
    named = values.filter(values.value.notnull() & ~values.value.startswith("("))
    rows = reading.state(named.order_by("value").limit(MOST_KNOWN))
    return [str(row["value"]) for row in rows]


def is_fixed(settings: Settings, rule_list: RuleList) -> bool:
    """Return whether the environment, .env or ecom.toml says a list, which goes before the page."""
    chosen = chosen_costs(settings.home).get(rule_list.setting, "[]")
    return bool(getattr(settings, rule_list.setting) != _read(rule_list, chosen))


def change(sent: ActionRequest) -> ActionResult:
    """Keep other rules, and ask a run to compute what follows from them."""
    rules = {
        rule_list.setting: json_text(list(_rules_in(sent.form, rule_list))) for rule_list in LISTS
    }
    return _changed(sent, rules)


def restore(sent: ActionRequest) -> ActionResult:
    """Let the rules of a version hold again, as a new version."""
    number = sent.form.get("number", "")
    for version in cost_versions(settings_of(sent.request).home):
        if str(version.number) == number:
            return _changed(sent, {**dict.fromkeys(OF_COSTS, "[]"), **version.rules})
    raise UsageError(f"Version {number!r} is not kept; choose one of the list.")


def _rules_in(form: Mapping[str, str], rule_list: RuleList) -> Iterator[dict[str, str]]:
    """Yield the rules of a list in the form; empty lines are none."""
    names = (name.split(".") for name in form if name.startswith(f"{rule_list.setting}."))
    lines = {int(name[1]) for name in names if name[1].isdecimal()}
    for line in sorted(lines):
        filled = {
            cell: _typed(cell, value)
            for cell in rule_list.cells
            if (value := form.get(f"{rule_list.setting}.{line}.{cell}", "").strip())
        }
        if filled:
            yield filled


def _typed(cell: str, value: str) -> str:
    """Return a cell as a rule has it: a number may have a decimal comma."""
    if _type_of(cell) != "number":
        return value
    try:
        return f"{Decimal(value.replace(',', '.')):f}"
    except InvalidOperation as error:
        raise UsageError(
            f"{CELL_LABELS[cell]} is {value!r}, which is not a number; write one such as 0.25."
        ) from error


def _changed(sent: ActionRequest, rules: Mapping[str, str]) -> ActionResult:
    """Let rules hold, of the lists that nothing else says: by a run where there are data, else at
    once.

    Raises:
        UsageError: A rule is not possible.
    """
    settings = settings_of(sent.request)
    require_shared_home(settings, "What orders cost")
    changes = {
        rule_list.setting: rules[rule_list.setting]
        for rule_list in LISTS
        if not is_fixed(settings, rule_list)
        and _read(rule_list, rules[rule_list.setting]) != getattr(settings, rule_list.setting)
    }
    here = address_of(COSTS, {})
    if not changes:
        return ActionResult("Nothing is changed.", here)
    if settings.has_own_data:
        ask_costs(settings.home, changes, sent.caller)
        return ActionResult("", address_of(PROGRESS, {"of": "shop"}))
    choose_shop(settings.home, changes)
    note_cost_version(settings.home, sent.caller, now_utc_without_zone())
    return ActionResult("Saved. The next run counts by it.", here)


def _read(rule_list: RuleList, text: str) -> tuple[CostRule, ...]:
    try:
        return read_rules(rule_list.kind, text)
    except ValueError as error:
        raise UsageError(f"{rule_list.title}: {error}; nothing is changed.") from error


PAGE = DashboardPage(
    COSTS,
    "What orders cost",
    group="Operation",
    is_listed=False,
    summary="Costs of orders that no source says, as rules.",
    asks=PageParameters,
    actions=(Action("change", change, Scope.ADMIN), Action("restore", restore, Scope.ADMIN)),
    needs_published=False,
    scope=Scope.COSTS,
    sections=(
        Section("Rules", rules, is_titled=False),
        Section("Versions", versions),
    ),
)

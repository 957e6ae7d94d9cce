"""Options that several commands share, and how their values are parsed."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from ecom_assets.core.errors import DefinitionError, UsageError
from ecom_assets.core.tables.days import DayRange
from ecom_assets.core.tables.values import parse_day, parse_days

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")]
Events = Annotated[
    list[str] | None,
    typer.Option("--events", help="File, folder or glob of CSV, NDJSON or Parquet (gzip too)."),
]
MorePaths = Annotated[
    list[str] | None, typer.Argument(help="Further paths of events, as a shell's * gives them.")
]
Orders = Annotated[
    list[str] | None,
    typer.Option(
        "--orders", help="File, folder or glob of order lines: CSV, NDJSON or Parquet (gzip too)."
    ),
]
LoadedOrders = Annotated[
    list[str] | None,
    typer.Option(
        "--orders",
        help=(
            "File, folder or glob of order lines: CSV, NDJSON or Parquet (gzip too); api: all "
            "that the order report API has, before its increments."
        ),
    ),
]
Customers = Annotated[
    list[str] | None,
    typer.Option("--customers", help="File, folder or glob of customers, in any form of files."),
]
Costs = Annotated[
    list[str] | None,
    typer.Option(
        "--costs",
        help="File, folder or glob of what items cost: CSV, NDJSON or Parquet (gzip too).",
    ),
]
AdSpend = Annotated[
    list[str] | None,
    typer.Option(
        "--ad-spend",
        metavar="NAME=PATH",
        help="File, folder or glob of what ads cost, with its mapping: google_ads=PATH; several.",
    ),
]
AssetSelection = Annotated[
    str | None, typer.Option(help="Dagster asset selection, such as 'key:\"mart/sessions\"+'.")
]
API: Final = "api"
"""In place of a path of orders: the order report API's own file of all order lines."""
SESSION_RULES = (
    "How events are cut into sessions: ga4, universal_analytics, mixpanel, amplitude, snowplow, "
    "or source for the file's own session ids."
)
SessionRuleName = Annotated[str, typer.Option("--session-rule", help=SESSION_RULES)]
Host = Annotated[str | None, typer.Option(help="Address to listen on; default ECOM_API_HOST.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; default ECOM_API_PORT.")]
UntilParentEnds = Annotated[bool, typer.Option("--until-parent-ends", hidden=True)]
Mapping = Annotated[str | None, typer.Option(help="Name of a shipped mapping, or a YAML file.")]
DEFINITION = (
    "YAML or JSON file in place of options; those it has no key for stay, such as files, days and "
    "--segment."
)
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="End with an error, and without an answer, if more than 5% of the rows are refused.",
    ),
]
Definition = Annotated[Path | None, typer.Option(help=DEFINITION)]


def is_typed(context: typer.Context, name: str) -> bool:
    """Return whether an option is given, on the command line or by its environment variable."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def all_paths(events: list[str] | None, more: list[str] | None) -> list[str]:
    """Return all given paths.

    Raises:
        UsageError: There are paths without an option in front of them.
    """
    if more and not events:
        raise UsageError(f"{more[0]!r} is given without an option; write --events {more[0]}.")
    return [*(events or []), *(more or [])]


@dataclass(frozen=True)
class OwnData:
    """The paths and mappings of a shop's own data; empty or None if not given."""

    events: list[str]
    events_mapping: str | None
    orders: list[str]
    orders_mapping: str | None
    customers: list[str] = field(default_factory=list)
    customers_mapping: str | None = None
    costs: list[str] = field(default_factory=list)
    costs_mapping: str | None = None
    ad_spend: list[str] = field(default_factory=list)

    def with_customers(self, paths: list[str] | None, mapping: str | None) -> "OwnData":
        """Return the data with files of customers."""
        return replace(self, customers=paths or [], customers_mapping=mapping)

    def with_costs(self, paths: list[str] | None, mapping: str | None) -> "OwnData":
        """Return the data with files of costs."""
        return replace(self, costs=paths or [], costs_mapping=mapping)

    def with_ad_spend(self, paths: list[str] | None) -> "OwnData":
        """Return the data with files of ad spend, each path with its mapping before it."""
        return replace(self, ad_spend=paths or [])

    @property
    def is_first_load(self) -> bool:
        """Return whether all orders that the order report API has are to be loaded."""
        return self.orders == [API]

    @classmethod
    def read(
        cls,
        events: list[str] | None,
        orders: list[str] | None,
        more: list[str] | None,
        mappings: tuple[str | None, str | None],
    ) -> "OwnData":
        """Assign further paths to the option that they belong to;
        `mappings` are those of events and orders.

        Raises:
            UsageError: There are paths without an option in front of them, or they may belong to
                either option.
        """
        if more and events and orders:
            raise UsageError(
                f"{more[0]!r} may be events or orders; write --events or --orders in front of it, "
                "or quote the glob."
            )
        result = cls([*(events or [])], mappings[0], [*(orders or [])], mappings[1])
        if result.orders.count(API) and not result.is_first_load:
            raise UsageError(
                f"--orders {API} stands alone; load files in a run of their own (a folder of that "
                f"name is ./{API})."
            )
        if orders:
            result.orders.extend(more or [])
        else:
            result.events[:] = all_paths(events, more)
        return result


@dataclass(frozen=True)
class Permissions:
    """What a run is allowed to do only on request."""

    withdrawal: bool = False
    """Rows that their source no longer has may be removed."""
    rebuild: bool = False
    """Published data may lose days, because the warehouse is being rebuilt."""
    rewrite: bool = False
    """The snapshot is written from the start, because bytes of removed rows remain in a copy."""

    @property
    def tags(self) -> dict[str, str]:
        """Return the run tags of the permissions;
        runs that are launched from Dagster use the same tags.
        """
        options = {
            "ecom/allow_withdrawal": self.withdrawal,
            "ecom/rebuild": self.rebuild,
            "ecom/rewrite_snapshot": self.rewrite,
        }
        return {tag: "true" for tag, is_given in options.items() if is_given}


NO_PERMISSIONS = Permissions()


_DAYS_OR_WEEKS: Final = r"\s*\d{1,12}\s*[dw]\s*"
"""How `--last` is written: a duration without its shorter units."""


def read_days(first: str | None, to: str | None, last: str | None = None) -> DayRange:
    """Return the days of `--from`, `--to` and `--last`;
    those that are not given are taken from the data.

    Raises:
        UsageError: One is invalid, or they cannot be combined.
    """
    days = DayRange(
        None if first is None else parse_day(first, "--from "),
        None if to is None else parse_day(to, "--to "),
    )
    if days.first and days.last and days.last < days.first:
        raise UsageError(f"--from {days.first} is after --to {days.last}; swap them.")
    if last is None:
        return days
    if days.first:
        raise UsageError("--last and --from both say where the days begin; leave one of them out.")
    if not re.fullmatch(_DAYS_OR_WEEKS, last):
        raise UsageError(
            f"--last {last!r} is not understood; write d (days) or w (weeks), such as 30d."
        )
    try:
        return DayRange(None, days.last, parse_days(last))
    except DefinitionError as error:
        raise UsageError(f"--last {error}") from error

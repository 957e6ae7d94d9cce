"""Questions about files of events: the options that they all have, and the days that they are about."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, wraps
from inspect import Signature, signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecom_assets.cli.options import (
    Definition,
    Events,
    Json,
    Mapping,
    MorePaths,
    SegmentName,
    Timezone,
    all_paths,
    is_typed,
    print_answer,
    read_days,
    read_definition,
)
from ecom_assets.errors import UsageError
from ecom_assets.settings.settings import Settings, load_settings
from ecom_assets.sources.files.opened import OpenedFiles, checking
from ecom_assets.tables.days import DayRange, Ends

if TYPE_CHECKING:
    import ibis.expr.types as ir

From = Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD; the first of the data if not given.")]
To = Annotated[str | None, typer.Option("--to", help="Last day, included; the newest of the data if not given.")]
Last = Annotated[
    str | None, typer.Option("--last", help="So many days up to the last one, such as 30d or 4w, instead of --from.")
]


@dataclass(frozen=True)
class FileQuestion:
    """The options that every question about files of events has; see `about_files`.

    Attributes:
        days: The days that the options name.
    """

    context: typer.Context
    more: MorePaths = None
    events: Events = None
    mapping: Mapping = None
    segment: SegmentName = None
    first: From = None
    to: To = None
    last: Last = None
    timezone: Timezone = None
    definition: Definition = None
    as_json: Json = False
    days: DayRange = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", read_days(self.first, self.to, self.last))

    @property
    def paths(self) -> list[str]:
        """Return all paths of events.

        Raises:
            UsageError: There are paths without an option in front of them.
        """
        return all_paths(self.events, self.more)

    @cached_property
    def settings(self) -> Settings:
        """Return the settings, with the mapping and the time zone of the options."""
        return load_settings(events_mapping=self.mapping, timezone=self.timezone)

    def checking(self) -> AbstractContextManager[OpenedFiles]:
        """Open the files, and begin to check their rows in another thread."""
        return checking(self.paths, self.settings)

    def typed(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options that are given."""
        return {name: value for name, value in options.items() if is_typed(self.context, name)}

    def query(
        self, options: dict[str, Any], what: str, first_key: str, names: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the definition of an analysis from its file or from the options.

        Args:
            options: What options say, by the key of the definition; one that was not given is None, [] or False.
            what: What the file defines, for errors.
            first_key: A key that each such definition has.
            names: How options are called that are not called as their key.

        Raises:
            UsageError: There are both a file and options, or the file cannot be read.
        """
        given = {
            name: value for name, value in options.items() if value is not None and value is not False and value != []
        }
        if self.definition is None:
            return given
        if given:
            listed = ", ".join(f"--{(names or {}).get(key, key).replace('_', '-')}" for key in given)
            raise UsageError(f"--definition says what {listed} would; leave one of them out.")
        return read_definition(self.definition, what, first_key)

    def print(self, answer: dict[str, Any], lines: Callable[[], list[str]]) -> None:
        """Print an answer as JSON or as text; see `print_answer`."""
        print_answer(answer, lines, as_json=self.as_json)


def about_files(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options of `FileQuestion`, which it gets as its first argument, and its own.

    Its help lists the files first, then its own options, then the visitors, the days and the form of the answer.
    """
    shared = signature(FileQuestion).parameters
    _, *own = signature(command).parameters.values()
    files = [*shared].index("segment")
    listed = [*shared.values()]
    listed[files:files] = own

    @wraps(command)
    def run(**options: Any) -> None:  # noqa: ANN401 (the values of any options)
        command(FileQuestion(**{name: options.pop(name) for name in shared}), **options)

    run.__signature__ = Signature(listed)  # type: ignore[attr-defined]  # `inspect` reads it
    run.__annotations__ = {one.name: one.annotation for one in listed}
    return run


def ends_of(rows: "ir.Table", day: str, days: DayRange) -> tuple[Ends, list[str]]:
    """Return the requested days, and a warning if none of them has rows.

    Args:
        rows: All rows of the data.
        day: The column of their day.
        days: The options.
    """
    if not days.is_given:
        return (None, None), []
    (known,) = rows.agg(first=rows[day].min(), last=rows[day].max()).to_pyarrow().to_pylist()
    if known["last"] is None:
        return (days.first, days.last), []
    return ends_within((known["first"], known["last"]), days)


def ends_within(known: tuple[date, date], days: DayRange) -> tuple[Ends, list[str]]:
    """Return what `ends_of` does, of rows whose first and last day are known."""
    if not days.is_given:
        return (None, None), []
    first, last = days.within(known[1])
    if (first or known[0]) <= known[1] and (last or known[1]) >= known[0]:
        return (first, last), []
    range_text = f"{first} to {last}" if first and last else f"days from {first} on" if first else f"days up to {last}"
    return (first, last), [f"The data are of {known[0]} to {known[1]}, so nothing is known of {range_text}."]

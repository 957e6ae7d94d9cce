"""Asking a REST API for the documents that changed, page by page, by dlt's REST client.

Where an API lists the earliest change first, each page is asked for by the time that the last one
reached, not by its number: a document that changes meanwhile moves to the end of the list, and
would make the others move up past the next page. Only where all of a page changed at one time is
the next page by number asked for. GraphQL's pages begin after a document, not at a number, so they
are followed. How far it got is kept with each batch, so a run after one that failed goes on from
there. Of lists in another order it is kept at their end only.

Rows of days that are restated for a while, such as spend of advertising, are asked for by windows
of days: what an answer has of its days replaces what landed of them, also with nothing.

`run_extract` runs one extraction from its name and its folder, with the settings and variables of
this process.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, Protocol

from ecom_assets.core.clock import today_in
from ecom_assets.core.errors import SettingError, SourceError
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.settings.environment import hand_on
from ecom_assets.core.settings.settings import Settings, variable
from ecom_assets.ingestion.sources.extraction.definition import (
    START,
    WINDOW_FROM,
    WINDOW_TO,
    ApiResource,
    Cursor,
    DayWindow,
    Extract,
    Incremental,
    filled,
    instant,
    load_extract,
    variables_in,
)
from ecom_assets.ingestion.sources.extraction.landing import (
    ApiDocument,
    DayRow,
    Landed,
    LandingFolder,
)
from ecom_assets.ingestion.sources.files.shape import at

BATCH: Final = 1000
"""Documents that land in a file: enough that a shop of a million orders has a thousand files."""


class FetchedPages(Protocol):
    """An API that lists documents by pages."""

    def read(self, resource: ApiResource, values: Mapping[str, Cursor]) -> Iterator[list[Any]]:
        """Yield the pages of documents, asked for with what `values` put in place of braces."""

    def at(self, path: str, document: dict[str, Any]) -> Iterator[list[Any]]:
        """Yield the pages at a path in which `{name}` is what a document has there."""

    def whole(self, resource: ApiResource, document: dict[str, Any]) -> dict[str, Any]:
        """Return a document with the rest of its lists."""


@dataclass
class Extraction:
    """Documents of an API on their way into a folder."""

    pages: FetchedPages
    landing: LandingFolder
    day: date

    def extract(self, resource: ApiResource) -> Landed:
        """Land all documents of a resource that changed since the last time, or its newest days.

        Raises:
            SourceError: The API refuses or does not answer; what came before it has landed.
        """
        asked_by = resource.endpoint.asked_by
        if isinstance(asked_by, DayWindow):
            return self._extract_days(resource, asked_by)
        return self._extract_changes(resource, asked_by)

    def _extract_days(self, resource: ApiResource, window: DayWindow) -> Landed:
        cursor, landed = self.landing.cursor(resource.name), Landed()
        reached = None if cursor is None else date.fromisoformat(str(cursor))
        for first, last in window.spans(reached, self.day):
            values = {WINDOW_FROM: first.isoformat(), WINDOW_TO: last.isoformat()}
            rows = [
                _row(resource.name, window, content, (first, last))
                for page in self.pages.read(resource, values)
                for content in page
            ]
            landed += self.landing.replace_days(resource.name, rows, (first, last), self.day)
        return landed

    def _extract_changes(self, resource: ApiResource, changes: Incremental) -> Landed:
        start = self.landing.cursor(resource.name)
        batch: list[ApiDocument] = []
        landed, reached = Landed(), None
        try:
            for documents, safe in self._walk(
                resource, changes, changes.initial_value if start is None else start
            ):
                batch += documents
                reached = reached if safe is None else safe
                if len(batch) >= BATCH:
                    landed += self._land(resource, batch, reached)
                    batch = []
        finally:
            landed += self._land(resource, batch, reached)
        return landed

    def _land(
        self, resource: ApiResource, batch: list[ApiDocument], reached: Cursor | None
    ) -> Landed:
        return self.landing.land(
            resource.name, batch, self.day, reached, keeps_versions=resource.keeps_versions
        )

    def _walk(
        self, resource: ApiResource, changes: Incremental, start: Cursor
    ) -> Iterator[tuple[list[ApiDocument], Cursor | None]]:
        """Yield the documents of each page, with the time from which to go on after it,
        if that is known by then.

        At the end of a list in another order it is the newest of the first page: whatever changes
        while the others are read is later, and is asked for the next time.
        """
        reached, has_more = start, True
        while has_more:
            has_more, in_order, of_first = False, changes.row_order == "asc", None
            last: list[ApiDocument] = []
            for page in self.pages.read(resource, {START: changes.before(reached)}):
                documents = [self._document(resource, changes, content) for content in page]
                newest = _newest(documents, reached)
                of_first = newest if of_first is None else of_first
                in_order, last = in_order and _ascend([*last, *documents]), documents[-1:]
                if in_order and newest != reached:
                    reached = newest
                    yield documents, reached
                    if not resource.is_graphql:
                        has_more = True
                        break
                else:
                    yield documents, None
            else:
                yield [], reached if in_order or of_first is None else of_first

    def _document(self, resource: ApiResource, changes: Incremental, content: Any) -> ApiDocument:  # noqa: ANN401 (any value of JSON)
        key_path = resource.primary_key or ""
        key, version = at(content, key_path), at(content, changes.cursor_path)
        if key is None or not _is_time(version, changes.initial_value):
            lacking = key_path if key is None else changes.cursor_path
            raise SourceError(
                f"A document of {resource.name} has no usable {lacking!r}: {str(content)[:120]}; "
                "correct primary_key, cursor_path or data_selector in the extract."
            )
        attached = {
            name: [each for page in self.pages.at(path, content) for each in page]
            for name, path in resource.attach.items()
            if content.get(name)
        }
        return ApiDocument.from_content(
            str(key), version, self.pages.whole(resource, {**content, **attached})
        )


def _row(name: str, window: DayWindow, content: Any, asked: tuple[date, date]) -> DayRow:  # noqa: ANN401 (any value of JSON)
    first, last = asked
    text = str(at(content, window.date_path))[:10]
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise SourceError(
            f"A row of {name} has no usable day at {window.date_path!r}: {str(content)[:120]}; "
            "correct date_path or data_selector in the extract."
        ) from None
    if not first <= day <= last:
        raise SourceError(
            f"A row of {name} is of {day}, and {first} to {last} were asked for; put "
            f"{WINDOW_FROM} and {WINDOW_TO} where the API expects its first and last day."
        )
    return DayRow.from_content(day, content)


def _newest(documents: list[ApiDocument], before: Cursor) -> Cursor:
    return max([before, *(document.version for document in documents)], key=instant)


def _ascend(documents: list[ApiDocument]) -> bool:
    times = [instant(document.version) for document in documents]
    return times == sorted(times)


def _is_time(value: object, like: Cursor) -> bool:
    try:
        return isinstance(value, str | int) and type(value) is type(like) and instant(value) >= 0
    except ValueError:
        return False


def extract_all(
    definition: Extract,
    pages: FetchedPages,
    folder: Path,
    day: date,
    done: Callable[[str, Landed], None] = lambda _name, _landed: None,
) -> dict[str, Landed]:
    """Land what changed of each resource, and return how many documents that were, by resource.

    Args:
        definition: The API, with its variables filled in.
        pages: Asks the API.
        folder: The landing folder; created if it is missing.
        day: The day of arrival.
        done: Called after each resource.
    """
    result = {}
    with LandingFolder.opened(folder, definition.client.owner) as landing:
        for resource in definition.resources:
            landed = Extraction(pages, landing, day).extract(resource)
            result[resource.name] = replace(landed, cursor=landing.cursor(resource.name))
            done(resource.name, result[resource.name])
    return result


def run_extract(
    source: str,
    folder: Path,
    settings: Settings,
    done: Callable[[str, Landed], None] = lambda _name, _landed: None,
) -> tuple[Extract, dict[str, Landed]]:
    """Land what changed since the last time,
    and return the definition and what landed, by resource.

    Raises:
        UsageError: There is no such extract, it is invalid, a variable is not set, or dlt is not
            installed.
        SourceError: The API refuses or does not answer; what came before it has landed.
    """
    hand_on({"RUNTIME__DLTHUB_TELEMETRY": "false"})  # before dlt is imported
    with packages_of("dlt", "ecom extract"):
        from ecom_assets.ingestion.sources.extraction.rest_client import RestPages  # noqa: PLC0415 (its package is optional)

    template = load_extract(source)
    of_url = variables_in(template.client.base_url)
    of_keys = variables_in({"auth": template.client.auth, "headers": template.client.headers})
    of_key = [name for name in of_keys if name not in of_url]
    definition = Extract.model_validate(filled(template.model_dump(by_alias=True), variable))
    with RestPages(definition, settings, " and ".join(of_url), " and ".join(of_key)) as pages:
        return definition, extract_all(definition, pages, folder, today_in(settings.timezone), done)


def extracts_of(settings: Settings) -> dict[str, Path]:
    """Return the folder of each extract of ECOM_EXTRACTS.

    Raises:
        SettingError: One has no folder, or two have the same.
    """
    pairs = [entry.partition("=") for entry in settings.extracts]
    result = {
        source.strip(): Path(folder.strip())
        for source, _, folder in pairs
        if source.strip() and folder.strip()
    }
    if len(result) < len(pairs) or len({*result.values()}) < len(pairs):
        raise SettingError(
            "ECOM_EXTRACTS names extracts with a folder of its own each, such as "
            "woocommerce=landing/woocommerce; correct it or leave it out."
        )
    return result

"""Orders from the report API: request a report, wait for it,
download and store its file or the increments of days.
"""

import csv
import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urljoin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from requests import Response

from ecom_assets.core.atomic_files import replace_bytes
from ecom_assets.core.errors import SettingError, SourceError, UnavailableError
from ecom_assets.core.http.polling import polled
from ecom_assets.core.http.retry import HttpCosts
from ecom_assets.core.http.session import Api, ApiSession, header_value, same_origin
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.report_paths import (
    ACTIVITIES,
    FILE,
    FOLDER,
    HISTORY,
    PRICES,
    RESEARCH,
    other_files,
    other_path,
    report_path,
)

NEEDED = {
    ACTIVITIES: ("date_time", "action_id", "customer_id"),
    RESEARCH: ("category_id", "geo_id", "sales_qty", "sales_amt"),
}
"""The columns without which such a file says nothing (`date_id` is a `date_time`, too);
prices may have no header.
"""
COLUMNS = (
    "id",
    "uniq_id",
    "date_time",
    "city_id",
    "city_name",
    "customer_id",
    "first_name",
    "last_name",
    "item_id",
    "item_name",
    "quantity",
    "payment_amount",
)
"""Columns that every file has; older files have no `status`."""


@dataclass(frozen=True)
class CountedRows:
    """The number of rows in a body, or its fault, as the second half of a sentence."""

    row_count: int = 0
    fault: str = ""


def count_rows(body: bytes, announced_rows: int | None) -> CountedRows:
    """Count the rows of a file, and check that it is complete."""
    if not body:
        return CountedRows(fault="gives an empty file")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return CountedRows(fault=f"gives a file that is not UTF-8 at byte {error.start:,}")
    if not text.endswith("\n"):
        return CountedRows(fault=f"gives a file whose last line is cut ({len(body):,} bytes)")
    try:
        return _counted(csv.reader(io.StringIO(text, newline=""), strict=True), announced_rows)
    except csv.Error as error:
        return CountedRows(fault=f"gives a file that breaks off inside of a quoted value ({error})")


def _counted(lines: Iterator[list[str]], announced_rows: int | None) -> CountedRows:
    header = next(lines)
    if missing := [column for column in COLUMNS if column not in header]:
        return CountedRows(
            fault=f"gives a file without the columns {', '.join(missing)}, so it is not an order "
            "report"
        )
    row_count, last = 0, header
    for line in lines:
        row_count, last = row_count + 1, line
    if len(last) != len(header):
        return CountedRows(
            row_count, f"gives a file whose last line has {len(last)} of {len(header)} values"
        )
    if announced_rows is not None and row_count != announced_rows:
        return CountedRows(
            row_count, f"gives a file with {row_count:,} of {announced_rows:,} announced rows"
        )
    if row_count == 0 and announced_rows is None:
        return CountedRows(fault="gives a file with a header and no rows")
    return CountedRows(row_count)


def path_of(home: Path, day: date) -> Path:
    """Return the path of a day's file."""
    return home / FOLDER / f"increment_date={day.isoformat()}" / FILE


def history_path(home: Path) -> Path:
    """Return the path of the order lines of the last report that was loaded whole."""
    return report_path(home, HISTORY)


def stored_files(home: Path) -> list[Path]:
    """Return the stored files with order lines, those of the report first."""
    increments = sorted((home / FOLDER).glob("increment_date=*/*"))
    history = history_path(home)
    return [*([history] if history.exists() else []), *increments]


def land(body: bytes, path: Path) -> None:
    """Replace a file atomically: readers see the old file or the new one, even after a power cut.

    Raises:
        SourceError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(path, body, 0o600)
    except OSError as error:
        raise SourceError(
            f"{path} cannot be written ({error.strerror}); fix that and run again."
        ) from error


PATIENCE_S = 600.0
"""How long a report is waited for."""
MAX_REPORTS = 2
"""Requests for a report: one that fails is requested once more,
because failures of the service can be temporary.
"""
LINKS = ("user_order_log_inc", "user_orders_log_inc")
"""The names of an increment's file; the service writes either."""
OTHER_LINKS = {name: f"{name}_inc" for name in (ACTIVITIES, RESEARCH, PRICES)}
"""The names of an increment's other files."""
Answer = TypeVar("Answer", bound=BaseModel)


class _Lenient(BaseModel):
    """A model that ignores unknown fields, and whose errors never quote a response."""

    model_config = ConfigDict(hide_input_in_errors=True)


class _Task(_Lenient):
    task_id: str = Field(min_length=1)


class _Stored(_Lenient):
    s3_path: dict[str, str | None] | None = None

    @property
    def links(self) -> dict[str, str]:
        """The addresses of its files by name."""
        return {name: link for name, link in (self.s3_path or {}).items() if link}


class ReadyReport(_Stored):
    """A report that is ready."""

    report_id: str = Field(min_length=1)


class _IncrementData(_Stored):
    increment_id: str | None = None
    row_count: int | None = Field(None, ge=0)


class _Status(_Lenient):
    status: Literal["RUNNING", "SUCCESS", "FAILED", "NOT FOUND"]
    data: dict[str, Any] | None = None


@dataclass(frozen=True)
class OrderIncrement:
    """One day's orders; `path` is None on a day without orders."""

    day: date
    increment_id: str | None
    path: Path | None
    row_count: int
    byte_count: int
    report_id: str
    took_s: float
    costs: HttpCosts
    """The totals of all requests from the first one up to this day."""
    faults: tuple[str, ...] = ()
    """What is wrong with its other files, which were not stored."""


def metrics_of(increments: Sequence[OrderIncrement]) -> dict[str, Any]:
    """Return the metrics of a fetch of at least one day, for a materialization's metadata."""
    last = increments[-1]
    faults = [fault for increment in increments for fault in increment.faults]
    return {
        **({"shortfall": " ".join(faults)} if faults else {}),
        "report_id": last.report_id,
        "increment_count": sum(increment.path is not None for increment in increments),
        "days_without_increment": ", ".join(
            str(increment.day) for increment in increments if increment.path is None
        )
        or "none",
        "row_count": sum(increment.row_count for increment in increments),
        "byte_count": sum(increment.byte_count for increment in increments),
        "took_s": round(sum(increment.took_s for increment in increments), 3),
        **asdict(last.costs),
    }


def fetch_increments(
    settings: Settings, days: Iterable[date], others_from: date | None = None
) -> Iterator[OrderIncrement]:
    """Fetch the orders of the days in order, all from one report;
    store the file of each day before yielding it.

    If a day fails, the files of the earlier days stay; run again to continue.

    Args:
        settings: The settings of the API.
        days: The days.
        others_from: The first day whose other files (activities, market research, prices) are
            stored: the report that was loaded whole has those of earlier days. None: of every day.

    Raises:
        SettingError: No URL is set, or a header cannot be sent.
        SourceError: The service cannot be reached, returns an error, or returns no report or no
            complete file.
    """
    with order_reports(settings) as reports:
        report = reports.make_report()
        for day in days:
            yield reports.fetch(
                report.report_id, day, with_others=others_from is None or day >= others_from
            )


def fetch_history(settings: Settings) -> list[str]:
    """Fetch a report's own files, and store them in place of the last ones;
    return what is wrong with some.

    The file with all order lines up to now must come; without the others, the run goes on.

    Raises:
        SettingError: No URL is set, or a header cannot be sent.
        SourceError: The service cannot be reached, returns an error, or returns no report or no
            complete file.
    """
    with order_reports(settings) as reports:
        report = reports.make_report()
        reports.fetch_history(report)
        return [
            fault
            for name in (ACTIVITIES, RESEARCH, PRICES)
            if (fault := reports.fetch_other(report, name))
        ]


@contextmanager
def order_reports(settings: Settings) -> "Iterator[OrderReports]":
    """Open a session with the order report API.

    Raises:
        SettingError: No URL is set, or a header cannot be sent.
    """
    if not settings.order_api_url:
        raise SettingError(
            "ECOM_ORDER_API_URL is not set; set it to the address of the order report API."
        )
    api = Api(
        "order report API", settings.order_api_url, "ECOM_ORDER_API_URL", "ECOM_ORDER_API_KEY"
    )
    headers = {
        "X-Nickname": header_value("ECOM_ORDER_API_NICKNAME", settings.order_api_nickname),
        "X-Cohort": header_value("ECOM_ORDER_API_COHORT", settings.order_api_cohort),
        "X-Project": "True",
        "X-API-KEY": header_value(api.key_setting, settings.order_api_key),
    }
    with ApiSession(api, settings) as session:
        yield OrderReports(
            session, settings, {name: value for name, value in headers.items() if value}
        )


class OrderReports:
    """The requests of the order report API; create it with `order_reports`."""

    def __init__(self, session: ApiSession, settings: Settings, headers: Mapping[str, str]) -> None:
        """Send all requests through `session`."""
        self._session, self._settings, self._headers = session, settings, dict(headers)
        self._address = without_secrets(session.api.url)

    def make_report(self) -> ReadyReport:
        """Request a report, wait until it is ready, and return it.

        Raises:
            SourceError: It takes longer than `PATIENCE_S`, or fails each time.
        """
        for _ in range(MAX_REPORTS):
            task_id = self._read(
                _Task, self._session.post(self._url("generate_report"), self._headers)
            ).task_id
            answer = self._wait_for(
                "get_report", {"task_id": task_id}, f"The report of task {task_id}"
            )
            if answer.status == "SUCCESS":
                return self._read(ReadyReport, answer.data or {})
        raise SourceError(
            f"The order report API at {self._address} failed to make a report, {MAX_REPORTS} "
            "times; run again later, or ask the people who run it."
        )

    def fetch(self, report_id: str, day: date, *, with_others: bool = False) -> OrderIncrement:
        """Download a day's increment of a report, store its file, and return its details.

        With `with_others`, its activities, market research and prices are stored, too; one that is
        missing or wrong does not stop the orders.

        For a day without an increment the path is None, and an earlier file is kept.

        Raises:
            SourceError: The service fails, or the file is missing, empty or truncated; an earlier
                file is kept.
        """
        began = time.monotonic()
        params = {"report_id": report_id, "date": f"{day.isoformat()}T00:00:00"}
        answer = self._wait_for("get_increment", params, f"The increment of {day}")
        if answer.status == "FAILED":
            raise SourceError(
                f"The order report API at {self._address} failed on the increment of {day}; run "
                "again later."
            )
        data = self._read(_IncrementData, answer.data or {})
        path, body = None, b""
        if answer.status != "NOT FOUND" and data.increment_id is not None:
            link = next((data.links[name] for name in LINKS if name in data.links), None)
            usual, fault_in = (
                f"{quote(data.increment_id, safe='')}/{FILE}",
                partial(_fault_of_orders, data.row_count),
            )
            body = self._download(link, usual, f"file of {day}", fault_in)
            path = path_of(self._settings.home, day)
            land(body, path)
        others = (
            [self._fetch_other_of_day(data, name, day) for name in OTHER_LINKS]
            if path and with_others
            else []
        )
        return OrderIncrement(
            day=day,
            increment_id=data.increment_id if path else None,
            path=path,
            row_count=count_rows(body, None).row_count,
            byte_count=len(body),
            report_id=report_id,
            took_s=round(time.monotonic() - began, 3),
            costs=self._session.stats.costs(),
            faults=tuple(filter(None, others)),
        )

    def _fetch_other_of_day(self, data: _IncrementData, name: str, day: date) -> str:
        """Download and store another file of an increment if it has it;
        return why it could not, or nothing.
        """
        link_name = OTHER_LINKS[name]
        if link_name not in data.links:
            return ""
        usual = f"{quote(data.increment_id or '', safe='')}/{link_name}.csv"
        label = f"file {link_name}.csv of {day}"
        try:
            body = self._download(
                data.links[link_name], usual, label, partial(_fault_of_other, name)
            )
        except SourceError as error:
            return f"{error} The orders are loaded all the same."
        land(body, other_path(self._settings.home, name, day))
        return ""

    def _wait_for(self, step: str, params: Mapping[str, str], subject: str) -> _Status:
        def ask() -> _Status:
            return self._read(_Status, self._session.get(self._url(step), params, self._headers))

        answer, is_over = polled(
            ask,
            lambda status: status.status != "RUNNING",
            wait_s=lambda _asked: self._settings.order_api_poll_s,
            patience_s=PATIENCE_S,
        )
        if not is_over:
            raise UnavailableError(
                f"{subject} at {self._address} is still RUNNING after the {PATIENCE_S:g} s "
                "that it is waited for; run again later."
            )
        return answer

    def fetch_history(self, report: ReadyReport) -> None:
        """Download the order lines of a report, and store them.

        Raises:
            SourceError: The report has no such file, or it is empty or truncated; an earlier file
                is kept.
        """
        if HISTORY not in report.links:
            raise SourceError(
                f"The report {report.report_id} of the order report API at {self._address} has no "
                f"file {HISTORY}; load your orders from a file once instead, with `ecom run "
                "--orders PATH`."
            )
        body = self._download_file(report, HISTORY, partial(_fault_of_orders, None))
        land(body, history_path(self._settings.home))

    def fetch_other(self, report: ReadyReport, name: str) -> str:
        """Download and store another file of a report if it has it;
        return why it could not, or nothing.
        """
        if name not in report.links:
            return ""
        try:
            body = self._download_file(report, name, partial(_fault_of_other, name))
        except SourceError as error:
            return f"{error} The orders are loaded all the same."
        land(body, report_path(self._settings.home, name))
        for path in other_files(self._settings.home, name)[1:]:
            path.unlink()  # the report has their rows
        return ""

    def _download_file(
        self, report: ReadyReport, name: str, fault_in: Callable[[Response], str]
    ) -> bytes:
        return self._download(
            report.links[name], f"{report.report_id}/{name}.csv", f"file {name}.csv", fault_in
        )

    def _download(
        self, link: str | None, usual: str, label: str, fault_in: Callable[[Response], str]
    ) -> bytes:
        """Return a complete file; the key is sent to the service only,
        not to the server that stores its files.

        Args:
            link: Its address; None: the service names none.
            usual: Its usual path at the service.
            label: Its name in messages.
            fault_in: Returns what is wrong with a body.
        """
        own = self._url(usual)
        link = urljoin(own, link or own)
        headers = self._headers if same_origin(link, own) else {}
        api = replace(
            self._session.api, name=f"order report API's {label}", is_named_by_answer=True
        )
        with ApiSession(api, self._settings, fault_in=fault_in, stats=self._session.stats) as files:
            return files.get(link, {}, headers).content

    def _url(self, step: str) -> str:
        return f"{self._session.api.url}/{step}"

    def _read(self, model: type[Answer], answer: Response | Mapping[str, Any]) -> Answer:
        try:
            return model.model_validate(answer.json() if isinstance(answer, Response) else answer)
        except ValidationError as error:
            fault = error.errors(include_input=False)[0]
            field_path = ".".join(map(str, fault["loc"])) or "the answer"
            raise SourceError(
                f"The order report API at {self._address} returned a response that cannot be used "
                f"({field_path}: {fault['msg']}); see that {self._session.api.url_setting} is "
                "right, or run again later."
            ) from None


def _fault_of_orders(row_count: int | None, response: Response) -> str:
    """Return what is wrong with a file of order lines;
    `row_count` are its rows if the service announced them.
    """
    announced = response.headers.get("X-Row-Count", "")
    return count_rows(
        response.content, int(announced) if announced.isdecimal() else row_count
    ).fault


def _fault_of_other(name: str, response: Response) -> str:
    try:
        text = response.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return f"gives a file that is not UTF-8 at byte {error.start:,}"
    try:
        header = next(csv.reader(io.StringIO(text, newline="")), [])
    except csv.Error:
        return "gives a file whose first line is no header"
    if not header:
        return "gives an empty file"
    columns = {*header, *(["date_time"] if "date_id" in header else [])}
    missing = [column for column in NEEDED.get(name, ()) if column not in columns]
    return f"gives a file without the columns {', '.join(missing)}" if missing else ""

"""A stand-in for the order report API: a report with all files, and the sandbox shop's orders in a file per day."""

import csv
import io
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow.parquet as pq

from ecom_assets.sandbox.services.service import Answer, Faults, Request, Service

NICKNAME, COHORT, KEY = "sandbox", "1", "sandbox-order-key"
FILE = "user_order_log_inc.csv"
REPORT = "user_order_log"
NOT_FOUND = Answer.json({"error": "not found"}, 404)
_INCREMENT, _REPORT = "increment-", "report-"


class OrderService(Service):
    """Serves `generate_report`, `get_report`, `get_increment` and files; nickname, cohort and key are in headers."""

    def __init__(
        self,
        orders: Path,
        port: int = 0,
        faults: Faults | None = None,
        key: str = KEY,
        *,
        report: Path | None = None,
    ) -> None:
        """Serve the rows of `orders.parquet` by UTC day; a folder of that name has a file for each day.

        The files of a report are those of the folder `report`. Without it, a report has the shipped lines of all days.
        """
        self._orders = orders
        self._report_folder = report
        self._reports = Lock()
        self._polls: dict[str, int] = {}
        self._failed: set[str] = set()
        self.key = key
        super().__init__(port, faults)

    @property
    def api_url(self) -> str:
        """Return the value for `ECOM_ORDER_API_URL`."""
        return self.url

    def answer(self, request: Request) -> Answer:
        """Return the response to any of the requests, or an error."""
        given = [request.headers.get(name) for name in ("x-nickname", "x-cohort", "x-api-key")]
        if given != [NICKNAME, COHORT, self.key]:
            return Answer.json({"error": "Access is denied: check nickname, cohort and key"}, 401)
        step = (request.method, request.path)
        if step == ("POST", "/generate_report"):
            return self._generate()
        if step == ("GET", "/get_report"):
            return self._report(request.query.get("task_id", ""))
        if step == ("GET", "/get_increment"):
            return self._increment(request.query)
        folder, _, name = request.path.removeprefix("/").partition("/")
        if request.method == "GET" and folder.startswith(_REPORT):
            return self._report_file(name)
        return self._file(folder) if (request.method, name) == ("GET", FILE) else NOT_FOUND

    def rows_of(self, day: date) -> list[dict[str, Any]]:
        """Return the order lines of a day, in the order of the file."""
        if self._orders.is_dir():
            file = self._orders / f"{day}.parquet"
            return pq.read_table(file).to_pylist() if file.exists() else []
        begin = datetime(day.year, day.month, day.day)  # noqa: DTZ001 (the column has no zone; its times are UTC)
        bounds = [("date_time", ">=", begin), ("date_time", "<", begin + timedelta(days=1))]
        rows: list[dict[str, Any]] = pq.read_table(self._orders, filters=bounds).to_pylist()
        return rows

    def _generate(self) -> Answer:
        with self._reports:
            task_id = f"task-{len(self._polls) + 1}"
            self._polls[task_id] = 0
            if self.plan.take("failed_reports"):
                self._failed.add(task_id)
        return Answer.json({"task_id": task_id})

    def _report(self, task_id: str) -> Answer:
        with self._reports:
            if task_id not in self._polls:
                return Answer.json({"status": "NOT FOUND", "data": None})
            self._polls[task_id] += 1
            if self._polls[task_id] <= self.faults.running_polls:
                return Answer.json({"status": "RUNNING"})
            if task_id in self._failed:
                return Answer.json({"status": "FAILED"})
        report_id = task_id.replace("task-", _REPORT)
        links = {name: f"{self.url}/{report_id}/{name}.csv" for name in self._report_names()}
        return Answer.json({"status": "SUCCESS", "data": {"report_id": report_id, "s3_path": links}})

    def _report_names(self) -> list[str]:
        """Return the names of the files of a report."""
        if self._report_folder is None:
            return [REPORT]
        return sorted(path.stem for path in self._report_folder.glob("*.csv"))

    def _report_file(self, name: str) -> Answer:
        """Return a file of a report, whole: it is not of a day, and its order lines have no status."""
        if name.removesuffix(".csv") not in self._report_names():
            return NOT_FOUND
        if self._report_folder is not None:
            return _csv_answer((self._report_folder / name).read_bytes())
        rows = [row for row in self._all_rows() if row["status"] == "shipped"]
        names = [one for one in (rows[0] if rows else {}) if one != "status"]
        return _csv_answer(_as_csv(names, rows))

    def _all_rows(self) -> list[dict[str, Any]]:
        files = sorted(self._orders.glob("*.parquet")) if self._orders.is_dir() else [self._orders]
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    def _increment(self, query: dict[str, str]) -> Answer:
        try:
            day = datetime.fromisoformat(query.get("date", "")).date()
        except ValueError:
            return Answer.json({"error": "date is a day"}, 400)
        rows = self.rows_of(day)
        if not query.get("report_id") or not rows:
            data = {"report_id": query.get("report_id"), "increment_id": None, "s3_path": None}
            return Answer.json({"status": "NOT FOUND", "data": data})
        increment_id = f"{_INCREMENT}{day}"
        links = {"user_order_log_inc": f"{self.url}/{increment_id}/{FILE}"}
        return Answer.json(
            {"status": "SUCCESS", "data": {"increment_id": increment_id, "s3_path": links, "row_count": len(rows)}}
        )

    def _file(self, increment_id: str) -> Answer:
        try:
            rows = self.rows_of(date.fromisoformat(increment_id.removeprefix(_INCREMENT)))
        except ValueError:
            return NOT_FOUND
        if not rows:
            return NOT_FOUND
        kind = self.plan.take("empty_files", "short_files", "cut_files")
        kept = rows[:-1] if kind == "short_files" else rows
        body = b"" if kind == "empty_files" else _as_csv(list(rows[0]), kept)
        return _csv_answer(body[:-9] if kind == "cut_files" else body)


def _csv_answer(body: bytes) -> Answer:
    return Answer(200, body, {"Content-Type": "text/csv; charset=utf-8"})


def _as_csv(names: list[str], rows: list[dict[str, Any]]) -> bytes:
    """Return rows as CSV; lines end in CR LF, as from the real service."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    values = ([row[name] for name in names] for row in rows)
    writer.writerows([one.isoformat() if isinstance(one, datetime) else one for one in row] for row in values)
    return text.getvalue().encode()

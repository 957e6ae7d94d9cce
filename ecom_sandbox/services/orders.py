"""A stand-in for the order report API: a report with all files,
and the sandbox shop's orders in a file per day.
"""

import csv
import io
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow.parquet as pq

from ecom_sandbox.services.service import Faults, Service, ServiceRequest, ServiceResponse

Row = dict[str, Any]
NICKNAME, COHORT = "sandbox", "1"
FILE = "user_order_log_inc.csv"
REPORT = "user_order_log"
NOT_FOUND = ServiceResponse.json({"error": "not found"}, 404)
_INCREMENT, _REPORT = "increment-", "report-"


class OrderService(Service):
    """Serves `generate_report`, `get_report`, `get_increment` and files; nickname,
    cohort and key are in headers.
    """

    key = "sandbox-order-key"

    def __init__(
        self,
        orders: Path,
        port: int = 0,
        faults: Faults | None = None,
        *,
        report: Path | None = None,
    ) -> None:
        """Serve the rows of `orders.parquet` by UTC day;
        a folder of that name has a file for each day.

        The files of a report are those of the folder `report`. Without it, they are made from the
        lines of all days.
        """
        self._orders = orders
        self._report_folder = report
        self._reports = Lock()
        self._polls: dict[str, int] = {}
        self._failed: set[str] = set()
        super().__init__(port, faults)

    def answer(self, request: ServiceRequest) -> ServiceResponse:
        """Return the response to any of the requests, or an error."""
        credentials = [
            request.headers.get(name) for name in ("x-nickname", "x-cohort", "x-api-key")
        ]
        if credentials != [NICKNAME, COHORT, self.key]:
            return ServiceResponse.json(
                {"error": "Access is denied: check nickname, cohort and key"}, 401
            )
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
        return self._increment_file(folder, name) if request.method == "GET" else NOT_FOUND

    def rows_of(self, day: date) -> list[dict[str, Any]]:
        """Return the order lines of a day, in the order of the file."""
        if self._orders.is_dir():
            file = self._orders / f"{day}.parquet"
            return pq.read_table(file).to_pylist() if file.exists() else []
        begin = datetime(day.year, day.month, day.day)  # noqa: DTZ001 (the column has no zone; its times are UTC)
        bounds = [("date_time", ">=", begin), ("date_time", "<", begin + timedelta(days=1))]
        rows: list[dict[str, Any]] = pq.read_table(self._orders, filters=bounds).to_pylist()
        return rows

    def _generate(self) -> ServiceResponse:
        with self._reports:
            task_id = f"task-{len(self._polls) + 1}"
            self._polls[task_id] = 0
            if self.plan.take("failed_reports"):
                self._failed.add(task_id)
        return ServiceResponse.json({"task_id": task_id})

    def _report(self, task_id: str) -> ServiceResponse:
        with self._reports:
            if task_id not in self._polls:
                return ServiceResponse.json({"status": "NOT FOUND", "data": None})
            self._polls[task_id] += 1
            if self._polls[task_id] <= self.faults.running_polls:
                return ServiceResponse.json({"status": "RUNNING"})
            if task_id in self._failed:
                return ServiceResponse.json({"status": "FAILED"})
        report_id = task_id.replace("task-", _REPORT)
        links = {name: f"{self.url}/{report_id}/{name}.csv" for name in self._report_names()}
        return ServiceResponse.json(
            {"status": "SUCCESS", "data": {"report_id": report_id, "s3_path": links}}
        )

    def _report_names(self) -> list[str]:
        """Return the names of the files of a report."""
        if self._report_folder is None:
            return sorted(REPORT_FILES)
        return sorted(path.stem for path in self._report_folder.glob("*.csv"))

    def _report_file(self, name: str) -> ServiceResponse:
        """Return a file of a report, whole: it is not of a day,
        and its order lines have no status.
        """
        if name.removesuffix(".csv") not in self._report_names():
            return NOT_FOUND
        if self._report_folder is not None:
            return _csv_answer((self._report_folder / name).read_bytes())
        rows = REPORT_FILES[name.removesuffix(".csv")](self._all_rows())
        body = _as_csv(list(rows[0]) if rows else [], rows)
        # The real service's prices have no header.
        return _csv_answer(body.partition(b"\r\n")[2] if name == "price_log.csv" else body)

    def _all_rows(self) -> list[dict[str, Any]]:
        files = sorted(self._orders.glob("*.parquet")) if self._orders.is_dir() else [self._orders]
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    def _increment(self, query: dict[str, str]) -> ServiceResponse:
        try:
            day = datetime.fromisoformat(query.get("date", "")).date()
        except ValueError:
            return ServiceResponse.json({"error": "date is a day"}, 400)
        rows = self.rows_of(day)
        if not query.get("report_id") or not rows:
            data = {"report_id": query.get("report_id"), "increment_id": None, "s3_path": None}
            return ServiceResponse.json({"status": "NOT FOUND", "data": data})
        increment_id = f"{_INCREMENT}{day}"
        links = {
            name: f"{self.url}/{increment_id}/{name}.csv" for name in self._increment_names(day)
        }
        return ServiceResponse.json(
            {
                "status": "SUCCESS",
                "data": {"increment_id": increment_id, "s3_path": links, "row_count": len(rows)},
            }
        )

    def _increment_file(self, increment_id: str, name: str) -> ServiceResponse:
        if name == FILE:
            return self._file(increment_id)
        other = self._orders / increment_id.removeprefix(_INCREMENT) / name
        return _csv_answer(other.read_bytes()) if other.is_file() else NOT_FOUND

    def _increment_names(self, day: date) -> list[str]:
        """Return the names of the files of an increment:
        others lie in a folder of the day beside the order lines.
        """
        return [
            FILE.removesuffix(".csv"),
            *sorted(path.stem for path in (self._orders / str(day)).glob("*.csv")),
        ]

    def _file(self, increment_id: str) -> ServiceResponse:
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


def _order_lines(rows: list[Row]) -> list[Row]:
    """Return the shipped lines, without their status."""
    shipped = [row for row in rows if row["status"] == "shipped"]
    return [{name: value for name, value in row.items() if name != "status"} for row in shipped]


def _activities(rows: list[Row]) -> list[Row]:
    """Return what customers did: they ordered a line, or gave it back."""
    return [
        {
            "id": number,
            "uniq_id": f"activity-{row['uniq_id']}",
            "date_time": row["date_time"],
            "action_id": ACTIONS[row["status"]],
            "customer_id": row["customer_id"],
            "quantity": row["quantity"],
        }
        for number, row in enumerate(rows, start=1)
    ]


def _research(rows: list[Row]) -> list[Row]:
    """Return what was sold of each item, in place of a category, on each day in each city."""
    cells: dict[tuple[str, int, int], list[Row]] = {}
    for row in _order_lines(rows):
        day = f"{row['date_time']:%Y-%m-%d}T00:00:00"
        cells.setdefault((day, row["item_id"], row["city_id"]), []).append(row)
    return [
        {
            "date_id": day,
            "category_id": item,
            "geo_id": city,
            "sales_qty": sum(row["quantity"] for row in sold),
            "sales_amt": sum(row["payment_amount"] for row in sold),
        }
        for (day, item, city), sold in sorted(cells.items())
    ]


def _prices(rows: list[Row]) -> list[Row]:
    """Return what one of each item cost in its last order."""
    last = {row["item_name"]: row["payment_amount"] / row["quantity"] for row in _order_lines(rows)}
    return [{"name": name, "price": f"{price:.2f}"} for name, price in sorted(last.items())]


ACTIONS = {"shipped": 1, "refunded": 2}
REPORT_FILES: dict[str, Callable[[list[Row]], list[Row]]] = {
    REPORT: _order_lines,
    "user_activity_log": _activities,
    "customer_research": _research,
    "price_log": _prices,
}
"""The files of a report, each with what makes its rows from all order lines."""


def _csv_answer(body: bytes) -> ServiceResponse:
    return ServiceResponse(200, body, {"Content-Type": "text/csv; charset=utf-8"})


def _as_csv(names: list[str], rows: list[dict[str, Any]]) -> bytes:
    """Return rows as CSV; lines end in CR LF, as from the real service."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    values = ([row[name] for name in names] for row in rows)
    writer.writerows(
        [value.isoformat() if isinstance(value, datetime) else value for value in row]
        for row in values
    )
    return text.getvalue().encode()

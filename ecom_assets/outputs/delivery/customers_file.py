"""Write all customers to one JSON file and a summary.

Rows are streamed, so memory use does not grow with them.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.commerce.customers.contracts import CUSTOMER_FILE_FIELDS, QUALITY_BANDS, Customers
from ecom_assets.commerce.customers.queries import customer_counts
from ecom_assets.core.atomic_files import replacing_text
from ecom_assets.core.errors import DeliveryError, SettingError, did_you_mean, system_reason
from ecom_assets.core.json_text import json_text
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.formats import percent
from ecom_assets.core.tables.portable import batches_of
from ecom_assets.core.warehouse.sql_text import text

BATCH_ROWS = 20_000
DEFAULT_FIELDS = tuple(name for name in CUSTOMER_FILE_FIELDS if name != "email")
"""The default fields of a customer in the file: the domain of the e-mail address,
but not the address.
"""
TITLES = {
    "quality_band": "Data quality",
    "customer_tier": "Tier",
    "market_segment": "Market",
    "activity_status": "Activity",
    "engagement_level": "Engagement",
    "engagement_source": "What the engagement is taken from",
}


def file_fields(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the fields of the file from a setting, or all but the e-mail address if it is empty.

    Raises:
        SettingError: A field does not exist or is listed twice.
    """
    for name in names:
        if name not in CUSTOMER_FILE_FIELDS:
            reason = f"there is no field {name!r}; {did_you_mean(name, CUSTOMER_FILE_FIELDS)}"
        elif names.count(name) > 1:
            reason = f"the field {name!r} is named twice"
        else:
            continue
        raise SettingError(
            f"ECOM_CUSTOMERS_JSON_FIELDS={','.join(names)} is wrong: {reason}; correct or unset it."
        )
    return names or DEFAULT_FIELDS


@dataclass(frozen=True)
class FileLayout:
    """The fields of a customer in the file, in this order,
    and the market segments that its summary counts.
    """

    segments: tuple[str, ...]
    fields: tuple[str, ...] = DEFAULT_FIELDS


@dataclass(frozen=True)
class CustomersFile:
    """A written file: the paths of it and its summaries,
    and the number of customers in the file and in the table.
    """

    path: Path
    customer_count: int
    expected_count: int
    byte_count: int
    summary: Answer


def write_customers(
    customers: ir.Table, path: Path, exported_at: datetime, layout: FileLayout
) -> CustomersFile:
    """Write the file and its summaries atomically: readers see the old files or the new ones.

    The summaries have its name with `_summary.txt` and `_summary.json`. `exported_at` is in UTC
    without time zone.

    Raises:
        DeliveryError: The folder is not writable.
    """
    stamp = exported_at.isoformat(timespec="seconds") + "Z"
    summary = {"export_timestamp": stamp, **customer_counts(customers, layout.segments)}
    head = {
        "total_customers": summary["total_customers"],
        "export_timestamp": summary["export_timestamp"],
        "data_quality_summary": {
            f"{band}_quality": summary["quality_band"][band] for band in QUALITY_BANDS
        },
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing_text(path) as file:
            file.write('{"metadata": ' + json_text(head) + ', "customers": [')
            count, current = 0, customers.filter(customers.is_current)
            for lines in _lines(current, layout.fields, path.parent):
                file.write(("," if count else "") + "\n" + ",\n".join(lines))
                count += len(lines)
            file.write("\n]}\n")
        for end, content in (("json", json_text(summary, indent=2)), ("txt", _report(summary))):
            with replacing_text(path.with_name(f"{path.stem}_summary.{end}")) as file:
                file.write(content + "\n")
    except (OSError, duckdb.IOException) as error:
        raise DeliveryError(
            f"{path} cannot be written ({system_reason(error)}); make its folder writable, or "
            "give another file in ECOM_CUSTOMERS_JSON."
        ) from error
    return CustomersFile(path, count, summary["total_customers"], path.stat().st_size, summary)


def _lines(current: ir.Table, fields: tuple[str, ...], folder: Path) -> Iterator[list[str]]:
    """Yield chunks of customers as JSON, sorted by name, then by id; numeric ids sort by value.

    Rows without a name come last. Times are in ISO 8601 format, amounts of money are strings. What
    is sorted is in a folder of its own in `folder`, readable by its owner only, until all customers
    are consumed.
    """
    names = dict.fromkeys((*fields, "full_name", "customer_id", "is_number_id"))
    folder_of_runs = TemporaryDirectory(prefix=".sorting-", dir=folder)
    with (
        batches_of(current.select(*names), BATCH_ROWS) as batches,
        folder_of_runs as sorting,
        duckdb.connect(f"{sorting}/sorting.duckdb") as con,
    ):
        con.execute(f"SET memory_limit = '{MEMORY}'")
        con.execute(f"SET temp_directory = {text(f'{sorting}/spilled')}")
        con.register(
            "no_rows", batches.schema.append(pa.field("sort_name", pa.string())).empty_table()
        )
        con.execute("CREATE TABLE rows_ AS FROM no_rows")
        for batch in batches:
            keys = pa.array(
                (sort_key(name.as_py()) for name in batch.column("full_name")), pa.string()
            )
            con.register(
                "some_rows", pa.Table.from_batches([batch]).append_column("sort_name", keys)
            )
            con.execute("INSERT INTO rows_ FROM some_rows")
        shown = ", ".join(f"{name} := {_as_json(name)}" for name in fields)
        # UTF-8 bytes sort like code points, and digit strings of equal length sort like numbers.
        result = con.sql(
            f"SELECT to_json(struct_pack({shown}))::VARCHAR FROM rows_"  # noqa: S608 (names come from contracts)
            " ORDER BY sort_name NULLS LAST, NOT regexp_full_match(customer_id, '[0-9]+'),"
            " CASE WHEN regexp_full_match(customer_id, '[0-9]+')"
            " THEN length(ltrim(customer_id, '0')) END,"
            " CASE WHEN regexp_full_match(customer_id, '[0-9]+')"
            " THEN ltrim(customer_id, '0') END, customer_id"
        )
        for lines in result.to_arrow_reader(BATCH_ROWS):
            yield lines.column(0).to_pylist()


def _as_json(name: str) -> str:
    kind = Customers.columns[name].type
    if name == "customer_id":
        is_number = f"is_number_id AND regexp_full_match({name}, '0|[1-9][0-9]*')"
        return f"CASE WHEN {is_number} THEN {name}::JSON ELSE to_json({name}) END"
    if kind.startswith("timestamp"):
        return f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    if not kind.startswith("decimal"):
        return name
    # With two decimals where these suffice, as files had amounts before they could have more.
    return (
        f"CASE WHEN {name} = round({name}, 2) THEN {name}::DECIMAL(38, 2)::VARCHAR ELSE "
        f"{name}::VARCHAR END"
    )


def _report(summary: Answer) -> str:
    total = summary["total_customers"]
    lines = [f"Customers: {total:,}, exported at {summary['export_timestamp']}"]
    if total:
        lines.append(f"Mean data quality score: {summary['mean_data_quality_score']:.2f}")
    if summary["flawed_fields"]:
        lines += ["", "Fields that are missing or invalid"]
        lines += [
            f"  {name:14} {n:>10,} {_share(n, total)}"
            for name, n in summary["flawed_fields"].items()
        ]
    for name, title in TITLES.items():
        lines += ["", title]
        lines += [
            f"  {reason:12} {n:>10,} {_share(n, total)}" for reason, n in summary[name].items()
        ]
    return "\n".join(lines)


def _share(number: int, total: int) -> str:
    return f"{percent(number / total):>6}" if total else ""


MEMORY = "400MB"
_FOLDED = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ħ": "h",
        "\u0131": "i",
        "æ": "ae",
        "œ": "oe",
        "ð": "d",
        "þ": "th",
    }
)
"""Letters that Unicode does not decompose into letter and accent,
but that people sort as if it did.
"""


def sort_key(name: str | None) -> str | None:
    """Return a name without case and accents."""
    if name is None:
        return None
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).translate(
        _FOLDED
    )

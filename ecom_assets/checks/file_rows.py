"""Every row of the files is in raw: what was counted when the files were looked at, against what was loaded.

What follows raw is the matter of the accounting (`accounting.py`). Not here: counting (`sources/file_damage.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Protocol

import ibis.expr.types as ir

from ecom_assets.checks.claim import EXAMPLES, Claim, Verdict, of_days
from ecom_assets.contracts.events import RawEvents
from ecom_assets.contracts.orders import RawUserOrderLog
from ecom_assets.contracts.table import Table
from ecom_assets.contracts.withdrawals import Withdrawals
from ecom_assets.sources.record_files import FileRows
from ecom_assets.transforms.days import Days

FileDay = tuple[str, date]


class FileSource(Protocol):
    """A source that may be files."""

    def file_rows(self, days: Days | None) -> Sequence[FileRows] | None:
        """Rows of the files that those of `days` come from; None if there are no files."""


def file_row_claims() -> list[Claim]:
    """Return the claims that nothing of the files was lost on the way into raw; they hold back what follows."""
    return [_claim(RawEvents, "event_source"), _claim(RawUserOrderLog, "order_source")]


def _claim(raw: type[Table], source: str) -> Claim:
    return Claim(
        contract=raw,
        name="every_row_of_the_files_is_in_raw",
        description=f"Per file and arrival day, {raw.qualified_name()} has as many rows as were counted in the file.",
        judge=partial(_judge, raw),
        tables=(raw, Withdrawals),
        blocking=True,
        source=source,
    )


def _judge(
    contract: type[Table], days: Days | None, raw: ir.Table, withdrawals: ir.Table, source: FileSource | None = None
) -> Verdict:
    """Compare the counts; days that are held keep the rows that they had, which another check says."""
    in_raw, held = _in_raw(raw, days), _held_days(contract, withdrawals)
    files = source.file_rows(days) if source else None
    if files is None:
        return Verdict(0, 0)
    counted = {key: number for key, number in _in_files(files, days).items() if key[1] not in held}
    loaded = {key: number for key, number in in_raw.items() if key[1] not in held}
    wrong = [
        {"source_file": file, "received_date": day, "rows_in_file": counted.get((file, day), 0), "rows_in_raw": number}
        for file, day in sorted({*counted, *loaded})
        if (number := loaded.get((file, day), 0)) != counted.get((file, day), 0)
    ]
    wrong = [*_without_a_day(files), *wrong]
    evidence = {"sentence": _sentence(contract, wrong)} if wrong else {}
    return Verdict(len(wrong), sum(counted.values()), wrong[:EXAMPLES], metadata=evidence)


def _in_files(files: Sequence[FileRows], days: Days | None) -> Counter[FileDay]:
    # Files of two places may have one name, under which raw knows the rows of both.
    counts: Counter[FileDay] = Counter()
    asked = set(days.dates) if days else None
    for one in files:
        counts.update({(one.file, day): n for day, n in one.by_day.items() if n and (asked is None or day in asked)})
    return counts


def _in_raw(raw: ir.Table, days: Days | None) -> Counter[FileDay]:
    rows = of_days(raw, "received_date", days)
    counts = rows.group_by("source_file", "received_date").agg(number=rows.count()).to_pyarrow().to_pylist()
    return Counter({(row["source_file"], row["received_date"]): int(row["number"]) for row in counts})


def _without_a_day(files: Sequence[FileRows]) -> list[dict[str, Any]]:
    """Return the files of which not every row was given an arrival day."""
    return [
        {"source_file": one.file, "received_date": None, "rows_in_file": one.row_count, "rows_in_raw": placed}
        for one in files
        if (placed := sum(one.by_day.values())) != one.row_count
    ]


def _held_days(contract: type[Table], withdrawals: ir.Table) -> set[date]:
    held = withdrawals.filter(withdrawals.source_table == contract.qualified_name(), withdrawals.withdrawn_at.isnull())
    return set(held.received_date.to_pyarrow().to_pylist())


def _sentence(contract: type[Table], wrong: Sequence[Mapping[str, Any]]) -> str:
    first = wrong[0]
    more = f" (and {len(wrong) - 1:,} more differences)" if len(wrong) > 1 else ""
    file, day, there = first["source_file"], first["received_date"], first["rows_in_file"]
    if day is None:
        found = f"{file} has {there:,} rows, and {first['rows_in_raw']:,} of them have an arrival day"
    else:
        found = f"{file} has {there:,} rows of {day}, and {contract.qualified_name()} has {first['rows_in_raw']:,}"
    return (
        f"{found}{more}; if the file changed while it was read, run the day again, else report this with the file's "
        "format, because rows were lost or counted twice."
    )

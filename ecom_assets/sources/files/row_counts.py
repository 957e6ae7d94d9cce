"""How many rows of files a result counts, and why it does not count the others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ecom_assets.quality.queries import sentence_of
from ecom_assets.tables.received import LARGE_SHARE


@dataclass(frozen=True)
class FileRowCounts:
    """The number of rows that were read, and of those that are not counted, by reason."""

    read: int
    rejected: Mapping[str, int] = field(default_factory=dict)

    @property
    def counted(self) -> int:
        """Return the number of counted rows."""
        return self.read - sum(self.rejected.values())

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as JSON, the most frequent reason first."""
        by_count = sorted(self.rejected.items(), key=lambda one: (-one[1], one[0]))
        return {"read": self.read, "counted": self.counted, "rejected": {name: n for name, n in by_count if n}}


DUPLICATE = "duplicate"
"""The reason for a duplicate: the row is clean, but another copy of it is counted."""


def rows_line(rows: Mapping[str, Any]) -> str:
    """Return the numbers as a line of text, with an explanation of the most frequent reject reason."""
    reasons = ", ".join(f"{name} {count:,}" for name, count in rows["rejected"].items())
    read = f"Rows: {rows['read']:,} read"
    if not reasons:
        return f"{read}, all counted" if rows["read"] else read
    line = f"{read}, {rows['counted']:,} counted; not counted: {reasons}"
    most = next(iter(rows["rejected"]))
    meaning = sentence_of(most) if rows["rejected"][most] > rows["counted"] else ""
    return f"{line}\n  {most}: {meaning}" if meaning else line


def refused_warning(rows: Mapping[str, Any]) -> str:
    """Return a sentence if many rows were refused, with the most frequent reason; empty if few were."""
    refused = {reason: count for reason, count in rows["rejected"].items() if reason != DUPLICATE}
    count = sum(refused.values())
    if count <= rows["read"] * LARGE_SHARE:
        return ""
    most = max(refused, key=lambda reason: refused[reason])
    share = f"{count:,} of {rows['read']:,} rows ({count / rows['read']:.0%}) are not counted"
    return f"{share}, most of them ({refused[most]:,}) for {most}: {sentence_of(most)}"

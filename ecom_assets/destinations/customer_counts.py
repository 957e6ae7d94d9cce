"""How many customers there are by what describes them, and how good their data are, as summaries tell it.

Not here: who prints it (`cli/customer_summary.py`), who writes it beside the file (`customers_json.py`).
"""

from collections import Counter
from typing import Any

import ibis.expr.types as ir

from ecom_assets.contracts.customers import ACTIVITY_STATUSES, CUSTOMER_TIERS, ENGAGEMENT_LEVELS, QUALITY_BANDS

KNOWN = {
    "quality_band": QUALITY_BANDS,
    "customer_tier": CUSTOMER_TIERS,
    "market_segment": (),
    "activity_status": ACTIVITY_STATUSES,
    "engagement_level": ENGAGEMENT_LEVELS,
}
"""What is counted, and the values that are named even where nobody has them; segments are those of the shop."""
UNKNOWN = "unknown"
"""Stands for a tier or level that no source tells; it is named only where somebody has it."""
NO_SOURCE = "none"
"""Stands for no source of engagement, which a name of JSON cannot be null for."""


def customer_counts(customers: ir.Table, segments: tuple[str, ...]) -> dict[str, Any]:
    """Return the counts of current customers.

    Args:
        customers: All rows of `Customers`.
        segments: Every market segment that there is.
    """
    current = customers.filter(customers.is_current)
    # Points are whole numbers, so that their sum is the same whatever the order of rows.
    found = current.group_by(*KNOWN, "engagement_source", "flawed_fields").agg(
        n=current.count(), points=current.data_quality_score.sum().cast("int64")
    )
    rows = found.to_pyarrow().to_pylist()
    total = sum(row["n"] for row in rows)
    flaws: Counter[str] = Counter()
    for row in rows:
        flaws.update(dict.fromkeys((row["flawed_fields"] or "").split(",") if row["flawed_fields"] else (), row["n"]))
    return {
        "total_customers": total,
        "mean_data_quality_score": round(sum(int(row["points"]) for row in rows) / total, 2) if total else None,
        "flawed_fields": dict(sorted(flaws.items(), key=lambda pair: (-pair[1], pair[0]))),
        **{
            name: _counted(rows, name, segments if name == "market_segment" else known) for name, known in KNOWN.items()
        },
        "engagement_source": _counted(
            [row | {"engagement_source": row["engagement_source"] or NO_SOURCE} for row in rows],
            "engagement_source",
            ("sessions", "api", NO_SOURCE),
        ),
    }


def _counted(rows: list[dict[str, Any]], name: str, known: tuple[str, ...]) -> dict[str, int]:
    """Count by the values of a column: the known ones first, then any that a table still has from before."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row[name] or UNKNOWN] += row["n"]
    return {value: counts[value] for value in (*known, *sorted(counts.keys() - set(known)))}

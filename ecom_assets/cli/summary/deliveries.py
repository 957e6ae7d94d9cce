"""What a run delivered, per tool. Not here: the delivery; other parts of the summary (`run_summary.py`)."""

from typing import Any

from ecom_assets.cli.platform_run import RunOutcome

COUNTS = ("due", "sent", "delivered", "rejected", "retried", "pending", "changed_after_delivery", "bytes")


def delivery_totals(outcome: RunOutcome) -> dict[str, Any]:
    """Return what each export told of the run: deliveries by destination, and the file of customers."""
    told = outcome.delivered
    return {
        "deliveries": {
            name: {
                **{count: int(one[count]) for count in COUNTS},
                "seconds": float(one["seconds"]),
                "records_per_s": int(one["records_per_s"]),
                "outcomes": one["outcomes"],
            }
            for name, one in sorted(told.items())
            if "outcomes" in one
        },
        "customers_json": _file(told["customers_json"]) if "customers_json" in told else None,
    }


def delivery_lines(totals: dict[str, Any]) -> list[str]:
    """Write it for people."""
    lines = ["", "Delivered"] if totals["deliveries"] else []
    for name, one in totals["deliveries"].items():
        outcomes = ", ".join(f"{what.replace('_', ' ')} {n:,}" for what, n in sorted(one["outcomes"].items()))
        lines.append(f"  {name:16} {one['due']:>9,} due, {one['sent']:,} sent now: {outcomes or 'none'}")
    if (file := totals["customers_json"]) is not None:
        lines += ["", f"Customers in {file['path']}: {file['customers']:,}"]
    return lines


def _file(told: dict[str, Any]) -> dict[str, Any]:
    return {"path": str(told["path"]), "customers": int(told["row_count"]), "bytes": int(told["bytes"])}

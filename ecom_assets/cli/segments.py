"""`ecom segments`: customers in files, by segment."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import Events, Json, Mapping, Orders, SessionRuleName, print_answer
from ecom_assets.cli.own_files import Customers, FilePurchases, check_format, write_rows
from ecom_assets.cli.value import AsOf, More, Out, customers_of_files
from ecom_assets.customers.queries import segment_totals
from ecom_assets.customers.segments import SegmentRule, customer_segments


def answer_segments(customers: Customers, rule: SegmentRule, out: Path | None) -> dict[str, Any]:
    """Return the customers of each segment, and write every customer to `out` if given.

    Args:
        customers: The files of the customers.
        rule: How scores are computed.
        out: A Parquet or CSV file.
    """
    check_format("--out", out)
    files = FilePurchases.open(customers)
    result = customer_segments(files.purchases, rule)
    if out is not None:
        write_rows(files.con, result.order_by("customer_id"), out)
    return {
        "definition": {**asdict(rule), **customers.definition()},
        "as_of_date": files.newest_day(),
        **segment_totals(result),
        "rows": files.rows.as_json(),
    }


def segments(
    more: More = None,
    orders: Orders = None,
    events: Events = None,
    mapping: Mapping = None,
    scores: Annotated[
        str, typer.Option(help="percent_rank or cume_dist: what customers who tie get.")
    ] = "percent_rank",
    as_of: AsOf = None,
    session_rule: SessionRuleName = "ga4",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Sort the customers of orders, or of purchase events, into eleven segments by recency, frequency and money."""
    rule = SegmentRule(scores)
    answer = answer_segments(customers_of_files(orders, events, more, mapping, as_of, session_rule), rule, out)
    print_answer(answer, lambda: _segment_lines(answer, out), as_json=as_json)


def _segment_lines(answer: dict[str, Any], out: Path | None) -> list[str]:
    if not answer["customers"]:
        return ["Nobody ordered."]
    lines = [f"{answer['customers']:,} customers at the end of {answer['as_of_date']}"]
    lines += [
        f"  {one['segment']:18} {one['customers']:>9,} {one['share']:>6.1%} {one['orders']:>9,} orders "
        f"{one['revenue_amount']:>16}"
        for one in answer["segments"]
    ]
    return lines + ([f"Written to {out}."] if out else [])

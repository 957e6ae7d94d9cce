"""Questions to files about customers: segments, and what to expect of them. Not here: the answers' definitions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecom_assets.cli.options import Events, Json, Mapping, Orders, OwnData, SessionRuleName, day_of, print_answer

if TYPE_CHECKING:
    from ecom_assets.cli.file_purchases import Customers

More = Annotated[list[str] | None, typer.Argument(help="Further paths, as a shell's * gives them.")]
AsOf = Annotated[
    str | None,
    typer.Option(help="Look at customers at the end of this day, YYYY-MM-DD; default the newest day in the data."),
]
Out = Annotated[Path | None, typer.Option(help="Write a row per customer to this .parquet or .csv file.")]


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
    from ecom_assets.cli.adhoc_segments import answer_segments  # noqa: PLC0415 (loads Ibis)
    from ecom_assets.transforms.customer_segments import SegmentRule  # noqa: PLC0415 (likewise)

    rule = SegmentRule(scores)
    answer = answer_segments(customers_of_files(orders, events, more, mapping, as_of, session_rule), rule, out)
    print_answer(answer, lambda: _segment_lines(answer, out), as_json=as_json)


def value(
    more: More = None,
    orders: Orders = None,
    events: Events = None,
    mapping: Mapping = None,
    horizon_days: Annotated[int, typer.Option(help="Days to expect orders in.")] = 90,
    months: Annotated[int | None, typer.Option(help="Months of 30 days that value looks ahead; default 12.")] = None,
    discount_rate: Annotated[
        float | None, typer.Option(help="Share by which money is worth less a year later; default 0.1.")
    ] = None,
    as_of: AsOf = None,
    session_rule: SessionRuleName = "ga4",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Tell what to expect of the customers of orders, or of purchase events, by BG/NBD and Gamma-Gamma."""
    from ecom_assets.cli.adhoc_value import answer_value  # noqa: PLC0415 (loads SciPy)
    from ecom_assets.settings import load_settings  # noqa: PLC0415 (loads pydantic)
    from ecom_assets.transforms.value_rule import ValueRule  # noqa: PLC0415 (likewise)

    settings = load_settings()
    rule = ValueRule(
        horizon_days,
        settings.value_months if months is None else months,
        settings.value_discount_rate if discount_rate is None else discount_rate,
    )
    answer = answer_value(customers_of_files(orders, events, more, mapping, as_of, session_rule), rule, out)
    print_answer(answer, lambda: _value_lines(answer, out), as_json=as_json)


def customers_of_files(
    orders: list[str] | None,
    events: list[str] | None,
    more: list[str] | None,
    mapping: str | None,
    as_of: str | None,
    session_rule: str,
) -> "Customers":
    """Return the customers of orders, or of purchase events, in files."""
    from ecom_assets.cli.file_purchases import Customers  # noqa: PLC0415 (loads Ibis)

    own = OwnData.read(events, orders, more, (None, None))
    return Customers(own.orders, own.events, mapping, day_of(as_of, "--as-of"), session_rule)


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


def _value_lines(answer: dict[str, Any], out: Path | None) -> list[str]:
    if not answer["customers"]:
        return ["Nobody ordered."]
    of_whom = f"{answer['repeat_customers']:,} of whom came again"
    lines = [f"{answer['customers']:,} customers at the end of {answer['as_of_date']}, {of_whom}"]
    for name, model in (("BG/NBD", answer), ("Gamma-Gamma", answer["order_value"])):
        told = ", ".join(f"{one} {size:g}" for one, size in model["parameters"].items() if size is not None)
        lines.append(f"  {name:12} {told or 'no model: ' + str(model['reason'])}")
    if not answer["reason"]:
        horizon = answer["definition"]["horizon_days"]
        to_come = f"{answer['expected_orders']:,.0f} orders in {horizon} days"
        lines.append(f"  {answer['expected_alive']:,.0f} are expected to order again; {to_come}")
    if answer["lifetime_value_amount"] is not None:
        months = answer["definition"]["value_months"]
        lines.append(f"  value over {months} months {answer['lifetime_value_amount']}")
    return lines + ([f"Written to {out}."] if out else [])

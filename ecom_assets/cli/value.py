"""`ecom segments` and `ecom value`: the customers in files, by segment, and what they are expected to be worth."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ecom_assets.cli.options import Events, Json, Mapping, Orders, OwnData, SessionRuleName, day_of, print_answer
from ecom_assets.customers.contracts import LifetimeValue
from ecom_assets.customers.likelihood import Fitted, NoFit
from ecom_assets.customers.queries import segment_totals, value_totals
from ecom_assets.customers.segments import SegmentRule, customer_segments
from ecom_assets.customers.value import ValueModels, ValueRule, histories, lifetime_value, value_correlation
from ecom_assets.settings.settings import load_settings
from ecom_assets.sources.files.orders import Customers, FilePurchases
from ecom_assets.sources.files.output import check_format, write_rows


def answer_value(customers: Customers, rule: ValueRule, out: Path | None) -> dict[str, Any]:
    """Return the result of `ecom value`, and write every customer to `out` if given.

    Args:
        customers: The files of the customers.
        rule: How many days and months to look ahead, and the discount rate.
        out: A Parquet or CSV file.
    """
    check_format("--out", out)
    files = FilePurchases.open(customers)
    purchase_histories = histories(files.purchases).to_pyarrow()
    models = ValueModels.fit(purchase_histories)
    rows = lifetime_value(purchase_histories, models, rule).select(list(LifetimeValue.columns))
    if out is not None:
        files.con.con.register("lifetime_value", rows)
        write_rows(files.con, files.con.table("lifetime_value").order_by("customer_id"), out)
    totals = value_totals(rows)
    return {
        "model": "bg_nbd",
        "customers": totals.pop("customers"),
        **_of_model(models.orders, ("r", "alpha", "a", "b")),
        "order_value": {
            "model": "gamma_gamma",
            **_of_model(models.values, ("p", "q", "v")),
            "frequency_value_correlation": value_correlation(purchase_histories),
        },
        **totals,
        "as_of_date": files.newest_day(),
        "definition": {**asdict(rule), "time_unit": "week", "order": "day_with_an_order", **customers.definition()},
        "rows": files.rows.as_json(),
    }


def _of_model(fitted: Fitted[Any] | NoFit, names: tuple[str, ...]) -> dict[str, Any]:
    """Return parameters, fit and reason of a model; None for those that do not exist."""
    model = fitted.model if isinstance(fitted, Fitted) else None
    return {
        "parameters": {name: getattr(model, name, None) for name in names},
        "log_likelihood": fitted.log_likelihood if isinstance(fitted, Fitted) else None,
        "at_limit": list(fitted.at_limit) if isinstance(fitted, Fitted) else [],
        "reason": fitted.value if isinstance(fitted, NoFit) else None,
    }


More = Annotated[list[str] | None, typer.Argument(help="Further paths, as a shell's * gives them.")]
AsOf = Annotated[
    str | None,
    typer.Option(help="Look at customers at the end of this day, YYYY-MM-DD; default the newest day in the data."),
]
Out = Annotated[Path | None, typer.Option(help="Write a row per customer to this .parquet or .csv file.")]


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
    """Estimate what to expect of the customers of orders, or of purchase events, by BG/NBD and Gamma-Gamma."""
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
) -> Customers:
    """Return the customers of orders, or of purchase events, in files."""
    own = OwnData.read(events, orders, more, (None, None))
    return Customers(own.orders, own.events, mapping, day_of(as_of, "--as-of"), session_rule)


def _value_lines(answer: dict[str, Any], out: Path | None) -> list[str]:
    if not answer["customers"]:
        return ["Nobody ordered."]
    of_whom = f"{answer['repeat_customers']:,} of whom came again"
    lines = [f"{answer['customers']:,} customers at the end of {answer['as_of_date']}, {of_whom}"]
    for name, model in (("BG/NBD", answer), ("Gamma-Gamma", answer["order_value"])):
        parameters = ", ".join(f"{one} {size:g}" for one, size in model["parameters"].items() if size is not None)
        lines.append(f"  {name:12} {parameters or 'no model: ' + str(model['reason'])}")
    if not answer["reason"]:
        horizon = answer["definition"]["horizon_days"]
        to_come = f"{answer['expected_orders']:,.0f} orders in {horizon} days"
        lines.append(f"  {answer['expected_alive']:,.0f} are expected to order again; {to_come}")
    if answer["lifetime_value_amount"] is not None:
        months = answer["definition"]["value_months"]
        lines.append(f"  value over {months} months {answer['lifetime_value_amount']}")
    return lines + ([f"Written to {out}."] if out else [])


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

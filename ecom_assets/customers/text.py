"""Segments and value of customers in a terminal."""

from typing import Any

from ecom_assets.tables.formats import UNKNOWN


def lines(answer: dict[str, Any]) -> list[str]:
    """Return a line for each segment, or the models of value and what they expect."""
    if not answer["customers"]:
        return ["Nobody ordered."]
    return _segment_lines(answer) if "segments" in answer else _value_lines(answer)


def _segment_lines(answer: dict[str, Any]) -> list[str]:
    return [
        f"{answer['customers']:,} customers at the end of {answer['as_of_date']}",
        *(
            f"  {row['segment']:18} {row['customers']:>9,} {row['share']:>6.1%} {row['orders']:>9,} orders "
            f"{row['revenue_amount'] or UNKNOWN:>16}"
            for row in answer["segments"]
        ),
    ]


def _value_lines(answer: dict[str, Any]) -> list[str]:
    of_whom = f"{answer['repeat_customers']:,} of whom came again"
    result = [f"{answer['customers']:,} customers at the end of {answer['as_of_date']}, {of_whom}"]
    for name, model in (("BG/NBD", answer), ("Gamma-Gamma", answer["order_value"])):
        parameters = ", ".join(
            f"{parameter} {size:g}" for parameter, size in model["parameters"].items() if size is not None
        )
        result.append(f"  {name:12} {parameters or 'no model: ' + str(model['reason'])}")
    if not answer["reason"]:
        horizon = answer["definition"]["horizon_days"]
        to_come = f"{answer['expected_orders']:,.0f} orders in {horizon} days"
        result.append(f"  {answer['expected_alive']:,.0f} are expected to order again; {to_come}")
    if answer["lifetime_value_amount"] is not None:
        months = answer["definition"]["value_months"]
        result.append(f"  value over {months} months {answer['lifetime_value_amount']}")
    return result

"""Segments and value of customers in a terminal."""

from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.formats import UNKNOWN, counted


def lines(answer: Answer) -> list[str]:
    """Return a line for each segment, or the models of value and what they expect."""
    if not answer["customers"]:
        return ["Nobody ordered."]
    return _segment_lines(answer) if "segments" in answer else _value_lines(answer)


def _segment_lines(answer: Answer) -> list[str]:
    return [
        f"{counted(answer['customers'], 'customer')} at the end of {answer['as_of_date']}",
        *(
            f"  {row['segment']:18} {row['customers']:>9,} {row['share']:>6.1%} "
            f"{orders_column(row['orders'], 9)} {row['revenue_amount'] or UNKNOWN:>16}"
            for row in answer["segments"]
        ),
    ]


def _value_lines(answer: Answer) -> list[str]:
    of_whom = f"{answer['repeat_customers']:,} of whom came again"
    result = [
        (
            f"{counted(answer['customers'], 'customer')} at the end of {answer['as_of_date']}, "
            f"{of_whom}"
        )
    ]
    for name, model in (("BG/NBD", answer), ("Gamma-Gamma", answer["order_value"])):
        parameters = ", ".join(
            f"{parameter} {size:g}"
            for parameter, size in model["parameters"].items()
            if size is not None
        )
        result.append(f"  {name:12} {parameters or 'no model: ' + str(model['reason'])}")
    if not answer["reason"]:
        horizon = answer["definition"]["horizon_days"]
        result.append(
            f"  {expected_orders(answer['expected_alive'], answer['expected_orders'], horizon)}"
        )
    if answer["lifetime_value_amount"] is not None:
        months = answer["definition"]["value_months"]
        result.append(f"  value over {counted(months, 'month')} {answer['lifetime_value_amount']}")
    return result


def orders_column(count: int, width: int) -> str:
    """Return a number of orders in a table, always as wide."""
    return f"{count:>{width},} {'order' if count == 1 else 'orders':6}"


def expected_orders(alive: float, orders: float, horizon_days: int) -> str:
    """Return how many customers are expected to order again,
    and how many orders in how many days.
    """
    who = counted(round(alive), "is", "are")
    return (
        f"{who} expected to order again; {counted(round(orders), 'order')} in "
        f"{counted(horizon_days, 'day')}"
    )

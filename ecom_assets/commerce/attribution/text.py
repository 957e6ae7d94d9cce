"""Credited channels in a terminal."""

from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.formats import amount


def lines(answer: Answer) -> list[str]:
    """Return the number of purchases, and a line for each channel with its credit and revenue."""
    result = [f"{answer['conversions']:,} purchases, by {answer['model']}"]
    currency = answer["currency"] or ""
    result += [
        f"  {row['channel']:26} {row['credit']:>14,.2f} {amount(row['revenue'], currency):>16}"
        for row in answer["channels"]
    ]
    return [*result, *answer["notes"]]

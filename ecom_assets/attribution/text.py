"""Credited channels in a terminal."""

from typing import Any


def lines(answer: dict[str, Any]) -> list[str]:
    """Return the number of purchases, and a line for each channel with its credit and revenue."""
    result = [f"{answer['conversions']:,} purchases, by {answer['model']}"]
    result += [f"  {one['channel']:26} {one['credit']:>14,.2f} {one['revenue']:>16,.2f}" for one in answer["channels"]]
    return [*result, *answer["notes"]]

"""Basket sizes in a terminal."""

from typing import Any


def lines(answer: dict[str, Any]) -> list[str]:
    """Return a line for each size."""
    return [f"{size['line_count']:>4} lines {size['order_count']:>6,}" for size in answer["sizes"]]

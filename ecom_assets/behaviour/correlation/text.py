"""A correlation in a terminal."""

from typing import Final

from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.formats import counted, percent

SAME: Final = 0.05
"""A factor that is nearer to 1 is as often."""
HALF: Final = 0.5
"""A factor up to it is said as one part of so many."""


def times_as_often(factor: float) -> str:
    """Return a factor above 0 as people say it.

    >>> times_as_often(8), times_as_often(0.25), times_as_often(1.02)
    ('8 times as often', '1/4 as often', 'about as often')
    """
    if abs(factor - 1) < SAME:
        return "about as often"
    if factor <= HALF:
        return f"1/{_in_two_digits(1 / factor)} as often"
    return f"{_in_two_digits(factor)} times as often"


def _in_two_digits(number: float) -> str:
    return f"{number:.2g}" if number < 10 else f"{number:,.0f}"  # noqa: PLR2004 (without an exponent)


def lines(answer: Answer) -> list[str]:
    """Return a line for each event type or value: how many times as often visitors with it convert,
    the interval of that factor, the counts, and the odds ratio.
    """
    converted, not_converted = answer["converted_count"], answer["other_count"]
    steps = " > ".join(step["event_type"] for step in answer["definition"]["funnel"]["steps"])
    entered = converted + not_converted
    share = f" ({percent(converted / entered)})" if entered else ""
    result = [
        f"{steps}: of {counted(entered, 'visitor')} who entered, {converted:,} converted{share}"
    ]
    if answer["on_the_way"]:
        result.append(f"On the way, and left out: {', '.join(answer['on_the_way'])}")
    rows = answer["correlations"]
    if not rows:
        return [*result, "Nothing else happened that could go with it."]
    names = [
        f"{row['property']} = {row['value']}" if row["property"] else row["value"] for row in rows
    ]
    width = max(len(name) for name in names)
    result.append(
        f"Visitors with it convert, and the {answer['definition']['confidence']:g} interval of the "
        "factor; * has too few visitors"
    )
    for name, row in zip(names, rows, strict=True):
        often = times_as_often(row["factor"]) + ("" if row["is_enough"] else "*")
        interval = f"{row['factor_low']:.2f} to {row['factor_high']:.2f}"
        counts = (
            f"{row['converted_count']:,} of {converted:,} converted, {row['other_count']:,} of "
            f"{not_converted:,} others, odds ratio {row['odds_ratio']:.2f}"
        )
        result.append(f"  {name:{width}} {often:19} {interval:15} {counts}")
    return result

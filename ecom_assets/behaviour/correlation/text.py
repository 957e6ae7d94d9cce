"""A correlation in a terminal."""

from typing import Any

from ecom_assets.core.tables.formats import counted, percent


def lines(answer: dict[str, Any]) -> list[str]:
    """Return a line for each event type or value: its odds ratio with the interval,
    and the counts.
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
        f"Odds ratio with its interval {answer['definition']['confidence']:g}; * has too few "
        "visitors"
    )
    for name, row in zip(names, rows, strict=True):
        ratio = (
            f"{row['odds_ratio']:>8.2f}{' ' if row['is_enough'] else '*'} {row['low']:.2f} to "
            f"{row['high']:.2f}"
        )
        counts = (
            f"{row['converted_count']:,} of {converted:,} converted, {row['other_count']:,} of "
            f"{not_converted:,} others"
        )
        result.append(f"  {name:{width}} {ratio:26} {counts}")
    return result

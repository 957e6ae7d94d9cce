"""The whole answer about an experiment, field by field, from the small shop's files;
the statistics by SciPy's own.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pytest
import scipy  # loads scipy.stats where it is called

from ecom_assets_tests.interfaces.api.plain_shop import ZERO, PlainShop, Row

EXPERIMENT: Final[Row] = {
    "variant": "product_category",
    "exposure": "product_view",
    "goal": "purchase",
    "control": "Hats",
    "within": "20d",
    "amount": "cart_amount",
    "shares": {"Hats": 3, "Bags": 3, "Shoes": 4},
    "multiple": "first",
}
"""Those who looked at a hat first against those who looked at bags or shoes first."""
TWENTY_DAYS_S: Final = 20 * 86_400
GRID: Final = 4_001


def experiment(shop: PlainShop) -> Row:
    """`/analytics/experiment` as `EXPERIMENT` asks."""
    units: dict[str, list[tuple[bool, Decimal, bool]]] = defaultdict(list)
    newest = max(event["at"] for event in shop.events)
    mixed = 0
    streams: dict[str, list[Row]] = defaultdict(list)
    for event in shop.events:
        streams[event["user_id"]].append(event)
    for events in streams.values():
        seen = [event for event in events if event["event_type"] == "product_view"]
        if not seen:
            continue
        mixed += len({event["product_category"] for event in seen}) > 1
        bought = [
            Decimal(event["cart_value"])
            for event in events
            if event["event_type"] == "purchase"
            and 0 <= (event["at"] - seen[0]["at"]).total_seconds() <= TWENTY_DAYS_S
        ]
        is_open = (newest - seen[0]["at"]).total_seconds() < TWENTY_DAYS_S
        units[seen[0]["product_category"]].append((bool(bought), sum(bought, ZERO), is_open))
    names = ["Hats", "Bags", "Shoes"]
    return {
        "event_count": len(shop.events),
        "total_count": 3,
        "variants": _variants([units[name] for name in names], names),
        "mixed_count": mixed,
        "outside": [],
        "sample_ratio": _ratio([len(units[name]) for name in names]),
        "warnings": [_few({name: len(units[name]) for name in names})],
    }


def _variants(
    units: Sequence[Sequence[tuple[bool, Decimal, bool]]], names: Sequence[str]
) -> list[Row]:
    converted = [[float(did) for did, _, _ in some] for some in units]
    paid = [[float(amount) for _, amount, _ in some] for some in units]
    beliefs = [scipy.stats.beta(1 + sum(some), 1 + len(some) - sum(some)) for some in converted]
    rates = _metric(converted, beliefs, spread=np.var, most=1)
    normal = [scipy.stats.norm(np.mean(some), scipy.stats.sem(some)) for some in paid]
    means = _metric(paid, normal, spread=lambda some: np.var(some, ddof=1), most=math.inf)
    return [
        {
            "variant": name,
            "unit_count": len(some),
            "expected_share": 0.4 if name == "Shoes" else 0.3,
            "converted_count": sum(did for did, _, _ in some),
            "open_count": sum(is_open for _, _, is_open in some),
            "amount": float(sum(amount for _, amount, _ in some)),
            "conversion": rate,
            "mean": mean,
        }
        for name, some, rate, mean in zip(names, units, rates, means, strict=True)
    ]


def _metric(
    samples: Sequence[Sequence[float]], beliefs: Sequence[Any], spread: Any, most: float
) -> list[Row]:
    actual = []
    for variant, sample in enumerate(samples):
        others = [belief for belief in beliefs if belief is not beliefs[variant]]
        answer = {
            "value": near(np.mean(sample)),
            "credible": _ends(*beliefs[variant].interval(0.95)),
        }
        answer["probability_best"] = near(
            _average(beliefs[variant], lambda at, them=others: math.prod(o.cdf(at) for o in them))
        )
        both = ((samples[0], beliefs[0]), (sample, beliefs[variant]))
        actual.append(
            answer | {"against_control": _compared(*both, spread, most) if variant else None}
        )
    return actual


def _compared(control: Any, other: Any, spread: Any, most: float) -> Row:
    """Compare by the formulas as published, with the parameter for 5,000 units."""
    (base, base_belief), (own, own_belief) = control, other
    count, rho2 = (
        len(base) + len(own),
        (-2 * math.log(0.05) + math.log(-2 * math.log(0.05) + 1)) / 5_000,
    )
    s2 = count * (spread(base) / len(base) + spread(own) / len(own))
    grown = count * rho2 + 1
    half = math.sqrt(2 * grown / (count**2 * rho2) * math.log(math.sqrt(grown) / 0.05))
    difference, mean = np.mean(own) - np.mean(base), np.mean(base)
    relative_s2 = count * (
        spread(own) / len(own) / mean**2 + spread(base) / len(base) * np.mean(own) ** 2 / mean**4
    )
    wide, relative_wide = half * math.sqrt(s2), half * math.sqrt(relative_s2)
    value = math.sqrt(grown) * math.exp(-(difference**2) * count**2 * rho2 / (2 * s2 * grown))
    low, high = (_quantile(base_belief, own_belief, part) for part in (0.025, 0.975))
    return {
        "difference": near(difference),
        "relative_difference": near(difference / mean),
        "sequential": _ends(max(difference - wide, -most), min(difference + wide, most)),
        "relative_sequential": _ends(
            difference / mean - relative_wide, difference / mean + relative_wide
        ),
        "p_value": near(min(1, value)),
        "credible": {"low": near(low, 0.01, 0.002), "high": near(high, 0.01, 0.002)},
        "probability_better": near(_average(own_belief, base_belief.cdf)),
    }


def _average(belief: Any, of: Any) -> float:
    """Return the mean of a function over a belief: its values at equally likely places."""
    return float(np.mean(of(belief.ppf((np.arange(GRID) + 0.5) / GRID))))


def _quantile(control: Any, other: Any, part: float) -> float:
    """Return a quantile of the difference, from all pairs of equally likely values."""
    probabilities = (np.arange(1_500) + 0.5) / 1_500
    return float(
        np.quantile(np.subtract.outer(other.ppf(probabilities), control.ppf(probabilities)), part)
    )


def _ratio(counts: Sequence[int]) -> Row:
    expected = [sum(counts) * part for part in (0.3, 0.3, 0.4)]
    actual = scipy.stats.chisquare(counts, expected)
    answer = {
        "chi_squared": near(actual.statistic),
        "p_value": near(actual.pvalue),
        "threshold": 0.001,
    }
    return answer | {"is_mismatch": bool(actual.pvalue < 0.001)}


def _few(counts: dict[str, int]) -> str:
    small = ", ".join(f"{name} ({count})" for name, count in counts.items())
    return (
        f"Some variants have fewer than 100 units: {small}; intervals are too narrow then, and "
        "those of `credible` for conversion only can be used."
    )


def _ends(low: float, high: float) -> Row:
    return {"low": near(low), "high": near(high)}


def near(value: Any, relative: float = 2e-5, absolute: float = 2e-5) -> Any:
    """Return a number that an answer may differ from in its last digits."""
    return pytest.approx(float(value), rel=relative, abs=absolute)

"""What `docs/metrics/` says about correlation, recomputed from its own input."""

from ecom_assets.behaviour.correlation.correlation import odds_ratio
from ecom_assets_tests.test_metrics_doc import tables

CONVERTED, OTHERS = 50, 150


def test_the_example_is_what_the_page_says() -> None:
    lines, expected = tables("Correlation")
    answer = []
    for line in lines:
        having = (int(line["converted_count"]), int(line["other_count"]))
        actual = odds_ratio(having, (CONVERTED - having[0], OTHERS - having[1]), 0.95)
        ratio = {"odds_ratio": actual.value, "low": actual.low, "high": actual.high}
        answer.append(
            {
                **{name: line[name] for name in ("property", "value")},
                **{name: f"{number:.4g}" for name, number in ratio.items()},
                "is_enough": "yes" if actual.is_enough else "no",
            }
        )
    assert answer == expected

"""What `docs/metrics/` says about experiments, recomputed from its own input."""

from datetime import UTC, datetime
from decimal import Decimal

from ecom_assets.behaviour.experiments.answer import experiment_answer
from ecom_assets.behaviour.experiments.comparison import (
    Sample,
    beta_posterior,
    credible_difference,
    probability_best,
    sequential,
)
from ecom_assets.behaviour.experiments.question import ExperimentQuestion
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.experiments.experiment_reference import Act, as_events
from ecom_assets_tests.markdown import definition
from ecom_assets_tests.test_metrics_doc import tables


def test_the_example_is_what_the_page_says() -> None:
    lines, expected, _ = tables("Experiment")
    acts = [
        Act(
            f"e{number:02}",
            line["visitor"],
            line["event_type"],
            datetime.fromisoformat(line["event_at"]).replace(tzinfo=UTC),
            line["variant"] or None,
            Decimal(line["cart_amount"]) if line["cart_amount"] else None,
        )
        for number, line in enumerate(lines)
    ]
    con = connect()
    con.con.register("acts", as_events(acts))
    days = [act.day for act in acts]
    values = {
        "variant": "properties.variant",
        "goal": "purchase",
        "within": "7d",
        "amount": "cart_amount",
    }
    experiment = ExperimentQuestion.from_mapping(values)
    actual = experiment_answer(con, con.table("acts"), experiment, (min(days), max(days)))
    answer = [
        {
            **{
                name: str(variant[name])
                for name in ("variant", "unit_count", "converted_count", "open_count")
            },
            **{name: f"{variant[name]['value']:.4g}" for name in ("conversion", "mean")},
        }
        for variant in actual["variants"]
    ]
    assert answer == expected
    assert actual["mixed_count"] == 1


def test_the_comparison_is_what_the_page_says() -> None:
    _, _, expected = tables("Experiment")
    looked = sequential(
        Sample.from_successes(100, 1_000), Sample.from_successes(130, 1_000), 0.95, 5_000
    )
    assert looked is not None
    assert looked.relative is not None
    control, other = beta_posterior(100, 1_000), beta_posterior(130, 1_000)
    credible = credible_difference(control, other, 0.95)
    answer = [
        {"what": name, "value": value, "low": f"{ends.low:.6f}", "high": f"{ends.high:.6f}"}
        for name, value, ends in (
            ("difference, sequential", "0.03", looked.difference),
            ("relative difference, sequential", "0.3", looked.relative),
            ("difference, credible", "0.03", credible),
        )
    ]
    assert answer == expected
    text = definition("Experiment").text
    assert f"The p-value is {looked.p_value:.6f}, and" in text
    assert f"that it is better {probability_best([control, other])[1]:.6f}" in text

"""Credit as METRICS defines it, as stories and compared with plain Python."""

from datetime import timedelta
from decimal import Decimal

import ibis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.attribution import credit as credit_module
from ecom_assets.commerce.attribution.contracts import MODELS
from ecom_assets.commerce.attribution.credit import (
    MONEY_PARTS,
    PARTS,
    SHARING,
    AttributionRule,
    share_by_removal_effects,
)
from ecom_assets.commerce.attribution.question import AttributionQuestion, model_name
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import DAY_ONE
from ecom_assets_tests.commerce.attribution.attribution_reference import (
    LOOKBACK_S,
    Story,
    markov_shares,
    shares,
)
from ecom_assets_tests.commerce.attribution.credit import (
    ONE_DAY_S,
    ONE_PERIOD,
    bought,
    by_channel,
    credit_on,
    effects_on,
    let_happen,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=200))
LAST = Days((DAY_ONE + timedelta(days=199),))
SIX = Story(tuple((n * 3600, channel) for n, channel in enumerate("ABCDEF")), (6 * 3600,))


def credit(
    model: str, *stories: Story, cents: tuple[int, ...] = (), rule: AttributionRule = ONE_PERIOD
) -> dict[str, float]:
    """Return what each channel of some stories is credited with."""
    let_happen(stories, cents)
    return {
        channel: float(amount)
        for channel, amount in by_channel(credit_on(DAYS, rule), model).items()
    }


@each(
    "model, expected",
    [
        ("first", [1, 0, 0, 0, 0, 0]),
        ("last", [0, 0, 0, 0, 0, 1]),
        ("position", [0.4, 0.05, 0.05, 0.05, 0.05, 0.4]),
        ("j", [0.2, 0.05, 0.05, 0.05, 0.05, 0.6]),
    ],
)
def test_six_touches_share_as_mixpanel_documents(model: str, expected: list[float]) -> None:
    actual = credit(model, SIX)
    assert [actual.get(channel, 0) for channel in "ABCDEF"] == expected


def test_a_third_is_not_lost_to_rounding() -> None:
    three = Story(((0, "A"), (60, "B"), (120, "C")), (180,))
    let_happen([three], [1000])
    rows = credit_on(DAYS, ONE_PERIOD)
    assert by_channel(rows, "linear") == {
        "A": Decimal("0.333333333"),
        "B": Decimal("0.333333334"),
        "C": Decimal("0.333333333"),
    }
    amounts = by_channel(rows, "linear", "revenue_amount")
    assert amounts == {"A": Decimal("3.33"), "B": Decimal("3.34"), "C": Decimal("3.33")}


def test_the_example_of_the_module_is_what_comes_out() -> None:
    """The tables of the module's docstring: days of touches in the first, credit in the second."""
    tables = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (credit_module.__doc__ or "").splitlines()
        if line.startswith("|")
    ]
    touches = tuple(
        ((int(row[1].split()[0]) - 1) * ONE_DAY_S, row[2]) for row in tables if row[0] == "touch"
    )
    let_happen([Story(touches, (5 * ONE_DAY_S,))], [10_000])
    rows = credit_on(DAYS, ONE_PERIOD)
    documented = [row for row in tables if len(row) == 6 and row[1].isdigit()]
    assert len(touches) == len(documented) == 3
    assert by_channel(rows, "linear") == {row[0]: Decimal(row[4]) for row in documented}
    assert by_channel(rows, "linear", "revenue_amount") == {
        row[0]: Decimal(row[5]) for row in documented
    }


def test_a_week_before_counts_half_in_time_decay() -> None:
    week = 7 * ONE_DAY_S
    actual = credit("time_decay", Story(((0, "A"), (week, "B")), (week,)))
    assert actual == {"A": pytest.approx(1 / 3, abs=2e-9), "B": pytest.approx(2 / 3, abs=2e-9)}


@each("two_touches, expected", [("normalised", (0.25, 0.75)), ("split", (0.3, 0.7))])
def test_two_touches_of_a_j_are_as_mixpanel_s_or_amplitude_s(
    two_touches: str, expected: tuple[float, float]
) -> None:
    rule = AttributionRule(two_touches=two_touches, period_days=400)
    actual = credit("j", Story(((0, "A"), (60, "B")), (120,)), rule=rule)
    assert (actual["A"], actual["B"]) == expected


def test_last_non_direct_passes_over_direct_but_for_nothing_else() -> None:
    touches = ((0, "Email"), (60, "Direct"))
    assert credit("last_non_direct", Story(touches, (120,))) == {"Email": 1}
    assert credit("last_non_direct", Story(touches[1:], (120,))) == {"Direct": 1}


@pytest.mark.slow
@each("model", SHARING)
def test_the_look_back_includes_both_of_its_ends(model: str) -> None:
    assert credit(model, Story(((0, "A"),), (LOOKBACK_S,))) == {"A": 1}
    assert credit(model, Story(((0, "A"),), (LOOKBACK_S + 1,))) == {"(none)": 1}
    assert credit(model, Story(((5, "A"),), (5,))) == {"A": 1}
    assert credit(model, Story(((6, "A"),), (5,))) == {"(none)": 1}


def test_a_refund_takes_back_from_those_who_were_credited() -> None:
    day = ONE_DAY_S
    refund = bought("v0", 50 * day, -1000, "r", is_refund=True)
    let_happen([Story(((0, "A"), (60, "B"), (40 * day, "C")), (120,))], [1000], [refund])
    effects_on(DAYS, ONE_PERIOD)
    rows = credit_on(DAYS, ONE_PERIOD)
    for model in MODELS:
        assert sum(by_channel(rows, model).values()) == 1
        assert set(by_channel(rows, model, "revenue_amount").values()) == {Decimal("0.00")}
    assert {row["converted_date"] for row in rows} == {DAY_ONE, DAY_ONE + timedelta(days=50)}


@pytest.mark.slow
def test_a_refund_of_nobody_knows_what_takes_back_from_no_channel() -> None:
    refunds = [
        bought("v0", 91 * ONE_DAY_S, -700, "late", is_refund=True),
        bought("w", 60, -300, "w", is_refund=True),
    ]
    let_happen([Story(((0, "A"),), (0,))], [1000], refunds)
    amounts = by_channel(credit_on(DAYS, ONE_PERIOD), "last", "revenue_amount")
    assert amounts == {"A": Decimal("10.00"), "(none)": Decimal("-10.00")}


def test_nothing_bought_is_nothing_credited() -> None:
    let_happen([Story(((0, "A"),), ())])
    assert effects_on(DAYS, ONE_PERIOD) == []
    assert credit_on(DAYS, ONE_PERIOD) == []


@pytest.mark.parametrize(
    ("result", "name"), [("J", "j"), ("Last-Non-Direct", "last_non_direct"), ("u", "position")]
)
def test_models_are_known_in_any_spelling(result: str, name: str) -> None:
    assert model_name(result) == name


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        DefinitionError, match=r"did you mean 'markov'\? Known: first, last, .*markov"
    ):
        model_name("markow")


@each(
    "wrong", [{"lookback": "0s"}, {"lookback": "400d"}, {"half_life": "0d"}, {"two_touches": "x"}]
)
def test_lengths_and_choices_that_make_no_credit_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(DefinitionError, match=r"cannot be|known"):
        AttributionQuestion.from_mapping(wrong)


# The definition in plain Python

CHANNELS = st.sampled_from(["Direct", "Email", "Display", "Referral"])
INSTANTS = st.one_of(
    st.integers(0, 70 * ONE_DAY_S), st.sampled_from([0, LOOKBACK_S, LOOKBACK_S + 1, 7 * ONE_DAY_S])
)
STORIES = st.lists(
    st.builds(
        lambda touches, conversions: Story(
            tuple(sorted(touches.items())), tuple(sorted(conversions))
        ),
        st.dictionaries(INSTANTS, CHANNELS, max_size=6),
        st.sets(INSTANTS, max_size=3),
    ),
    max_size=5,
)


def check_against_the_definition(stories: list[Story], cents: list[int]) -> None:
    let_happen(stories, cents)
    effects_on(DAYS, ONE_PERIOD)
    rows = credit_on(DAYS, ONE_PERIOD)
    conversions = [(story.path(at), at) for story in stories for at in story.conversions]
    for model in SHARING:
        expected: dict[str, float] = {}
        for path, at in conversions:
            for channel, part in shares(model, path, at).items():
                expected[channel] = expected.get(channel, 0.0) + float(part)
        actual = {channel: float(amount) for channel, amount in by_channel(rows, model).items()}
        assert actual == pytest.approx(expected, abs=1e-7)
    for model in MODELS:
        assert sum(by_channel(rows, model).values()) == len(conversions)
        worth = sum(cents[: len(conversions)])
        assert sum(by_channel(rows, model, "revenue_amount").values()) * 100 == worth


@examples(12)
@given(STORIES, st.lists(st.integers(0, 99_999), min_size=15, max_size=15))
def test_credit_is_that_of_the_definition_and_adds_up_exactly(
    stories: list[Story], cents: list[int]
) -> None:
    check_against_the_definition(stories, cents)


@pytest.mark.slow
@examples(300)
@given(STORIES, st.lists(st.integers(0, 10**11), min_size=15, max_size=15))
def test_credit_is_that_of_the_definition_however_much_is_tried(
    stories: list[Story], cents: list[int]
) -> None:
    check_against_the_definition(stories, cents)


def test_money_beyond_64_bits_is_shared_to_the_last_unit() -> None:
    # 300 purchases of 10,000,000,000,000 on a day, and 0.0001: a third and two thirds of it.
    money = 300 * 10**13 * MONEY_PARTS + 1
    day = {"unit": "purchase", "bought_date": DAY_ONE}
    total = day | {"converted_date": DAY_ONE, "is_touched": True, "conversion_count": 300}
    totals = ibis.memtable(
        [total | {"total_money": Decimal(money)}],
        schema={
            "unit": "string",
            "bought_date": "date",
            "converted_date": "date",
            "is_touched": "boolean",
            "conversion_count": "int64",
            "total_money": PARTS,
        },
    )
    effects = ibis.memtable(
        [
            {"unit": "purchase", "channel": channel, "credit_share": part, "rank_number": rank}
            | {"converted_date": DAY_ONE}
            for channel, part, rank in (("Email", 2 / 3, 1), ("Affiliates", 1 / 3, 2))
        ],
        schema={
            "unit": "string",
            "channel": "string",
            "credit_share": "float64",
            "rank_number": "int64",
            "converted_date": "date",
        },
    )
    shared = share_by_removal_effects(totals, effects).to_pyarrow().to_pylist()
    by_name = {row["channel"]: int(row["money"]) for row in shared}
    assert sum(by_name.values()) == money
    # A share has nine digits.
    assert by_name["Affiliates"] == pytest.approx(money / 3, rel=1e-8)


def check_chain(stories: list[Story]) -> None:
    """Compare a chain that ends after everything with the definition in fractions."""
    let_happen([*stories, Story(((198 * ONE_DAY_S + 5, "Email"),), (199 * ONE_DAY_S,))])
    actual = {row["channel"]: float(row["credit_share"]) for row in effects_on(LAST, ONE_PERIOD)}
    expected = markov_shares(
        [*stories, Story(((198 * ONE_DAY_S + 5, "Email"),), (199 * ONE_DAY_S,))]
    )
    assert actual == pytest.approx(
        {name: float(share) for name, share in expected.items()}, abs=2e-9
    )


def test_a_day_alone_has_the_touches_of_conversions_at_the_beginning_of_its_chain() -> None:
    """The chain of the 45th day begins on the 16th; a path of it began on the first
    and converts on the 20th.
    """
    rule, day = AttributionRule(period_days=30), DAY_ONE + timedelta(days=45)
    long = Story(((0, "Email"), (ONE_DAY_S, "Display")), (20 * ONE_DAY_S,))
    let_happen([long, Story(((45 * ONE_DAY_S, "Referral"),), (45 * ONE_DAY_S + 60,))])
    # Each channel's removal takes one of two conversions; the billionth that is left over is the
    # first channel's.
    alone = {row["channel"]: row["credit_share"] for row in effects_on(Days((day,)), rule)}
    third = Decimal("0.333333333")
    assert alone == {"Display": third + Decimal("0.000000001"), "Email": third, "Referral": third}


@examples(20)
@given(STORIES)
def test_removal_effects_are_those_of_exact_fractions(stories: list[Story]) -> None:
    check_chain(stories)


@pytest.mark.slow
@examples(300)
@given(STORIES)
def test_removal_effects_are_those_of_exact_fractions_however_much_is_tried(
    stories: list[Story],
) -> None:
    check_chain(stories)

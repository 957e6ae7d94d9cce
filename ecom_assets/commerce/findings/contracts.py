"""Contract of what to look at."""

from typing import Final, Literal, get_args

from ecom_assets.core.tables.contract import Column, Table, amount, count, day, text

Kind = Literal["visits", "conversion", "refunds", "stock", "meeting"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
NO_FUNNEL: Final = "(none)"
NO_CAUSE: Final = {"cause": None, "remedy": None}
"""Of kinds whose cause the data do not say."""


class ShopFindings(Table):
    """One row per number of the newest seven days that is not what the weeks before let expect, one
    for the stock that runs out before more can arrive, and one if orders and visits do not meet.
    """

    layer = "mart"
    name = "findings"
    key = ("kind", "funnel_name", "step", "dimension", "subject")

    kind = text(
        "What it is about: visits of a channel, sessions that went on to a step, refunded items of "
        "a product, stock, or whether orders meet visits",
        "About",
        one_of=KINDS,
        example="conversion",
    )
    funnel_name = text(
        "The funnel, as in mart.conversion_by_dimension; `(none)` of other kinds",
        "Funnel",
        example="(checkout)",
    )
    step = count("Which step of it was reached less often; 0 of other kinds", unit="place")
    dimension = text(
        "What the subject is a value of: channel, device, category or product; `(all)` of all",
        "By",
        example="device",
    )
    subject = text("The value of the dimension; `(all)` of all", "Of", example="mobile")
    first_date = day("The first of the days that the number is of", "From")
    last_date = day("The last of these days", "To")
    observed_number = Column(
        "float64",
        "What it was: a count, of conversion the share of sessions that went on, of `meeting` the "
        "share of the revenue whose visits are known",
        "count or share",
        at_least=0,
        is_additive=False,
        label="Is",
        example=0.41,
    )
    expected_number = Column(
        "float64",
        "What it usually is; of `meeting` the share below which nothing is credited; of stock null",
        "count or share",
        nullable=True,
        at_least=0,
        is_additive=False,
        label="Usually",
        example=0.62,
    )
    bound_number = Column(
        "float64",
        "How low, or of refunds how high, chance would let it be; of `meeting` the share below "
        "which nothing is credited; of stock null",
        "count or share",
        nullable=True,
        at_least=0,
        is_additive=False,
        label="By chance at most or at least",
        example=0.5,
    )
    weekly_amount = amount(
        "Money at stake in a week: seven times what a day of these is missing, or paid back more "
        "than usual; of stock what its products bring in a week; null where nothing has an amount, "
        "and of `meeting`",
        "At stake a week",
        nullable=True,
        example="812.50",
    )
    cause = text(
        "Why it is so, where that is known, as of `meeting`: a sentence; null of others",
        "Cause",
        nullable=True,
        example="No purchase event names an order, and no buyer is signed in.",
    )
    remedy = text(
        "What to do about the cause: a sentence; null of others",
        "Remedy",
        nullable=True,
        example="Send the number of the order with each purchase event.",
    )

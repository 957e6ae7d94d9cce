"""The attribution rule: which touches count for a conversion, and how each model shares its credit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ecom_assets.attribution.contracts import MODELS
from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.tables.presets import Preset

ONE_DAY_S = 86_400
LONGEST_LOOKBACK_S = 366 * ONE_DAY_S
ALIASES = {"u": "position", "u_shape": "position", "j_shape": "j"}
SHAPES = {"position": (40, 40), "j": (20, 60)}
"""Percentages of the first and the last touch; the touches between them share the rest."""
TWO_TOUCHES = {"normalised": "keep its proportion", "split": "split its middle"}
"""What shapes do with two touches, and what the form calls it."""
PRESETS: Final[Mapping[str, Preset]] = {
    # amplitude-docs data-tables-attribute-credit: the middle 20 % of two touches are split; no default of the model
    # or of the look-back is known
    "amplitude": {"two_touches": "split", "session_rule": "amplitude"},
    # mixpanel/docs features/computed-properties: last touch, 30 days; time decay halves in 7 days; shapes keep the
    # proportion of two touches
    "mixpanel": {
        "model": "last",
        "lookback": "30d",
        "half_life": "7d",
        "two_touches": "normalised",
        "session_rule": "mixpanel",
    },
    # "Paid and organic last click" passes Direct by; its default is data-driven, which nobody else can compute.
    # Analytics Admin API AttributionSettings.otherConversionEventLookbackWindow: 90 days
    "ga4": {"model": "last_non_direct", "lookback": "90d", "session_rule": "ga4"},
}
"""The defaults of other tools for attribution, by the names of the command's options."""


@dataclass(frozen=True)
class AttributionRule:
    """Which touches count for a conversion, and how some models share its credit.

    `lookback_s` (seconds): a touch counts if its session started at most this long before the conversion, and not after
    it; both bounds are included. 30 days, as in Mixpanel.
    `half_life_s` (seconds): `time_decay` halves the weight of a touch for each half-life before the conversion. The age
    of a touch is in whole seconds. 7 days, as in Mixpanel.
    `two_touches`: what `position` and `j` do with two touches: `normalised` keeps the proportion of first to last
    (Mixpanel: 50/50 and 25/75), `split` divides the share of the middle touches equally (Amplitude: 50/50 and 30/70).
    `refund_days` (days): a refund reverses the last purchase of the visitor within this many days before it. Without
    one, its channel is `(none)`. 90 days are more than shops allow for returns.
    `period_days` (days): the Markov chain of a day uses the paths of this many days, the last of which is the day.
    """

    lookback_s: int = 30 * ONE_DAY_S
    half_life_s: int = 7 * ONE_DAY_S
    two_touches: str = "normalised"
    refund_days: int = 90
    period_days: int = 30

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a value that is out of range or unknown."""
        if not 0 < self.lookback_s <= LONGEST_LOOKBACK_S:
            raise DefinitionError(
                f"A look-back of {self.lookback_s} s cannot be: give more than 0 s and at most 366 d, such as 30d."
            )
        if self.half_life_s <= 0:
            raise DefinitionError(f"A half-life of {self.half_life_s} s cannot be: give more than 0 s, such as 7d.")
        if self.two_touches not in TWO_TOUCHES:
            hint = did_you_mean(self.two_touches, TWO_TOUCHES)
            raise DefinitionError(f"There is no way {self.two_touches!r} to share two touches; {hint}.")

    @property
    def lookback_days(self) -> int:
        """Return how many days before a conversion its touches can start; allows for clock changes."""
        return -(-self.lookback_s // ONE_DAY_S) + 1

    @property
    def reach_days(self) -> int:
        """Return for how many days after an event it can change credit."""
        return self.lookback_days + max(self.refund_days + 1, 0) + self.period_days


def model_name(text: object) -> str:
    """Return the canonical name of a model; case, hyphens and spaces do not matter.

    Raises:
        DefinitionError: There is no such model.
    """
    name = str(text).strip().lower().replace("-", "_").replace(" ", "_")
    name = ALIASES.get(name, name)
    if name not in MODELS:
        raise DefinitionError(f"There is no attribution model {text!r}; {did_you_mean(name, MODELS)}.")
    return name

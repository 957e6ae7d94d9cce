"""The session rule: when a session ends, with presets that match other tools. METRICS "Session"."""

from dataclasses import dataclass, replace

from ecom_assets.behaviour.events.contracts import VIEW_TYPES
from ecom_assets.core.errors import DefinitionError, nearest
from ecom_assets.core.tables.values import DAY_S

SHORTEST_DAY_S = 20 * 3600
"""Shorter than any day, even one with a clock change: a longer timeout could skip a whole day."""


@dataclass(frozen=True)
class SessionRule:
    """When a session ends and the next one begins.

    `idle_timeout_s`: a longer gap between events ends a session; a gap of exactly this length does
    not.
    `midnight_split`: a session ends at midnight in the reporting time zone.
    `campaign_split`: a new campaign in the UTM parameters of the page begins a session.
    `max_length_s`: a session is split after every so many seconds from its start; None never splits
    it.
    `trust_source_session_id`: events with the same source session id form one session, regardless
    of gaps.
    `source_session_alone`: in addition, a source session id that several visitors share is one
    session, which belongs to the visitor of its first event.
    `engaged_after_s`, `key_event_types`, `view_types`: a session is engaged, as in GA4, if it is
    longer than the first, or has one event of the second, or two of the third.
    """

    idle_timeout_s: int = 1800
    midnight_split: bool = False
    campaign_split: bool = False
    max_length_s: int | None = None
    trust_source_session_id: bool = False
    source_session_alone: bool = False
    engaged_after_s: int = 10
    key_event_types: tuple[str, ...] = ("purchase",)
    view_types: tuple[str, ...] = VIEW_TYPES

    def __post_init__(self) -> None:
        """Raise if the idle timeout is invalid."""
        if not 0 < self.idle_timeout_s < SHORTEST_DAY_S:
            raise DefinitionError(
                f"An idle timeout of {self.idle_timeout_s} s cannot be: give more than 0 s, less "
                "than 20 h."
            )

    @classmethod
    def preset(cls, name: str, *, idle_timeout_s: int | None = None) -> "SessionRule":
        """Return the rule of another tool by name, optionally with a different idle timeout."""
        if name not in PRESETS:
            near = nearest(name, PRESETS)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(PRESETS)}."
            raise DefinitionError(f"There is no session rule {name!r}; {hint}")
        rule = PRESETS[name]
        return replace(rule, idle_timeout_s=idle_timeout_s) if idle_timeout_s is not None else rule

    @property
    def stitches(self) -> bool:
        """Return whether a session may cross midnight."""
        return not self.midnight_split

    def require_incremental(self) -> "SessionRule":
        """Return the rule, or raise if its sessions cannot be computed day by day.

        Raises:
            DefinitionError: The rule needs all of history at once.
        """
        if self.trust_source_session_id or (
            self.stitches and (self.campaign_split or self.max_length_s)
        ):
            raise DefinitionError(
                "This session rule needs all of a visitor's history at once, so the daily tables "
                "cannot keep it exact; use it with `ecom sessions`, or add midnight_split."
            )
        return self


PRESETS = {
    "ga4": SessionRule(),
    "universal_analytics": SessionRule(midnight_split=True, campaign_split=True),
    "mixpanel": SessionRule(midnight_split=True, max_length_s=DAY_S),
    "amplitude": SessionRule(),
    "snowplow": SessionRule(trust_source_session_id=True),
    "source": SessionRule(trust_source_session_id=True, source_session_alone=True),
}
"""The rules of other tools (for Amplitude, its rule for the web), and the source's own session ids.
"""

TOOL_RULES = {
    # posthog.com/docs/data/sessions: its library sets $session_id, a new one after 30 minutes of
    # silence or 24 hours
    "posthog": "source",
    "amplitude": "amplitude",  # amplitude-docs instrument-track-sessions: 30 minutes on the web
    # mixpanel/docs features/sessions: 30 minutes, and midnight of the project's time zone
    "mixpanel": "mixpanel",
    "ga4": "ga4",  # support.google.com/analytics/answer/12798876: 30 minutes
}
"""The session rule of each tool that has sessions."""

"""The identity rule: to which visitor an event belongs, with presets that match other tools.

METRICS "Visitor".
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from ecom_assets.core.errors import DefinitionError, nearest

Owner = Literal[
    "stitched",
    "device",
    "user_or_device",
    "last_or_next_user",
    "first_user",
    "last_user",
    "source_session",
]
LONGEST_VISIT: Final = timedelta(days=1)
"""How far apart a sign-in and an event of the same visit can be,
so that no day depends on an endless visit.
"""
VISIT_TIMEOUT: Final = timedelta(minutes=30)
"""A longer gap between events of a device ends its visit."""


@dataclass(frozen=True)
class IdentityRule:
    """To which visitor an event belongs.

    `name`: what settings and questions call it.
    `owner`: who owns an event without a user on a device.
        `stitched`: the user who last signed in before it within the visit, else the next within the
        visit, else the last before it within `days_back`, else the first after it within
        `days_ahead`, else the only user of the device within `one_user_days` before and after it,
        else the device.
        `device`: the device, even if the event has a user.
        `user_or_device`: the device.
        `last_or_next_user`: the last user before it, else the first after it, however long ago,
        else the device.
        `first_user`: the first user of the device at any time, else the device.
        `last_user`: the last user of the device at any time, even if the event has another user.
        `source_session`: the user of the same source session on that day, the next, or the day
        before, else itself.
    `days_back`, `days_ahead` (days): how far away a sign-in of another visit can be.
    `one_user_days` (days): how far away it can be if nobody else signs in on the device within so
        many days; 0 for no further than `days_back` and `days_ahead`.
    `looks_ahead_first`: whether, within a visit, the next user comes before the last.
    `guesses_if_shared`: whether events on a device with several users within the look-back are
    given to any of them.
    `joins_aliases`: whether an event of type `alias` makes two users one visitor.
    `links_by_identify`: whether only events of type `identify` link a device to a user.
    `device_users`, `session_users`: a device, or a source session in its place, with so many users
    joins nobody.
    `user_devices`, `user_devices_days`: a user on so many devices within so many days joins nobody.
    `consent`: a key of `properties` that must be true for an event to link its device to its user;
    empty for none.
    `group_users`: more users than this that aliases would join stay separate.
    `late_days`: as in `CleaningRule`, for `source_session`.
    """

    owner: Owner = "stitched"
    name: str = "stitched"
    days_back: int = 90
    days_ahead: int = 30
    one_user_days: int = 365
    looks_ahead_first: bool = False
    guesses_if_shared: bool = True
    joins_aliases: bool = True
    links_by_identify: bool = False
    device_users: int = 20
    session_users: int = 5
    user_devices: int = 50
    user_devices_days: int = 30
    group_users: int = 1_000
    consent: str = ""
    late_days: int = 7

    @classmethod
    def preset(cls, name: str) -> "IdentityRule":
        """Return a rule by name.

        Raises:
            DefinitionError: There is no rule of this name.
        """
        if name not in PRESETS:
            near = nearest(name, PRESETS)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(PRESETS)}."
            raise DefinitionError(f"There is no identity rule {name!r}; {hint}")
        return PRESETS[name]

    @property
    def keeps_users(self) -> bool:
        """Whether each event with a user belongs to that user, or to the one that aliases name."""
        return self.owner not in {"device", "last_user"}

    @property
    def has_links(self) -> bool:
        """Whether sign-ins of other events decide."""
        return self.owner in {"stitched", "last_or_next_user", "first_user", "last_user"}

    @property
    def days_around(self) -> tuple[int, int] | None:
        """The days before and after an event whose sign-ins decide; None for all days."""
        if self.owner == "source_session":
            return 1, 1
        if self.owner != "stitched":
            return None if self.has_links else (0, 0)
        before, after = self.days_of_next_sign_in
        return max(before, self.one_user_days + 1), max(after, self.one_user_days + 1)

    @property
    def days_of_next_sign_in(self) -> tuple[int, int]:
        """The days before and after an event whose sign-ins decide about it,
        no matter who else signs in on the device.
        """
        # One more, since days with clock changes are shorter than others.
        return max(self.days_back, LONGEST_VISIT.days) + 1, max(
            self.days_ahead, LONGEST_VISIT.days
        ) + 1


_AS_DEVICE: Final = IdentityRule("device", joins_aliases=False)
_OBSERVED: Final = IdentityRule("user_or_device", joins_aliases=False)
_LAST: Final = IdentityRule("last_user", joins_aliases=False)
PRESETS: Final = {
    "stitched": IdentityRule(),
    "device": _AS_DEVICE,
    "user": IdentityRule("source_session", joins_aliases=False),
    # support.google.com/analytics/answer/10976610, "Reporting identity": by device only
    "ga4_device": _AS_DEVICE,
    # the same page: by user id, else by device; the export does not reach back before a sign-in
    # (Velir/dbt-ga4#61)
    "ga4_observed": _OBSERVED,
    # amplitude-docs instrument-track-unique-users: an anonymous period before a device's first user
    # is that user's
    "amplitude": IdentityRule("last_or_next_user", joins_aliases=False),
    # mixpanel/docs identifying-users-simplified: a device has one user for good, and users are
    # never merged
    "mixpanel_simplified": IdentityRule("first_user", joins_aliases=False),
    # mixpanel/docs identifying-users-original: the same, and $create_alias and $merge join users
    "mixpanel_original": IdentityRule("first_user"),
    # posthog.com product-analytics/identify: only identify links, and never a person who is
    # identified already
    "posthog": IdentityRule("first_user", joins_aliases=False, links_by_identify=True),
    # dbt-labs/segment macros/cross-adapter-modeling/sessionization: the last user takes all
    "segment_dbt": _LAST,
    # snowplow/dbt-snowplow-unified macros/stitch_user_identifiers.sql: the same, by its cookie id
    "snowplow_unified": _LAST,
}
"""The rules by name; those of tools from their documents and source."""
RULES: Final = {
    "stitched": "Users, and devices as far as their users are known",
    "user": "Users, else source sessions",
    "device": "Devices",
    "ga4_device": "GA4: devices",
    "ga4_observed": "GA4: users, else devices",
    "amplitude": "Amplitude",
    "mixpanel_simplified": "Mixpanel, simplified",
    "mixpanel_original": "Mixpanel, original",
    "posthog": "PostHog",
    "segment_dbt": "Segment's dbt package",
    "snowplow_unified": "Snowplow's dbt package",
}
"""What forms call the presets."""
TOOL_RULES: Final = {
    "amplitude": "amplitude",
    "ga4": "ga4_observed",
    "mixpanel": "mixpanel_simplified",
    "posthog": "posthog",
    "snowplow": "snowplow_unified",
}
"""The identity rule of each tool, for questions with its preset."""

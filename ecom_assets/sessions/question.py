"""The question of sessions, and the session rule, which other questions ask for too."""

from typing import Annotated, Any, Final

from ecom_assets.questions.fields import Choices, asked
from ecom_assets.sessions.rule import PRESETS as RULES

RULE_LABELS: Final = {
    "ga4": "Google Analytics 4",
    "universal_analytics": "Universal Analytics",
    "mixpanel": "Mixpanel",
    "amplitude": "Amplitude",
    "snowplow": "Snowplow",
    "source": "Ids of the source",
}
SESSION_RULE: Final = Choices("session rule", {name: RULE_LABELS[name] for name in RULES})
SessionRuleName = Annotated[str | None, SESSION_RULE]


def session_rule_field(help: str = "When a session ends; default as set", **shown: Any) -> Any:  # noqa: A002, ANN401 (as `asked`)
    """Declare the rule that cuts events into sessions; None is that of the settings."""
    usual = {"place": "more", "about": ("session_rule", "session rule"), "options": {"": "As set"}}
    return asked(None, "Session rule", help, **usual | shown)

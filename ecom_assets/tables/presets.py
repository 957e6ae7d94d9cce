"""Presets: the values that another tool uses where a question sets none.

Each subject has its own presets, by the name of the tool; these functions look one up and fill a definition with it.
"""

from collections.abc import Mapping
from typing import Any, Final

from ecom_assets.errors import DefinitionError, did_you_mean

TOOLS: Final = {
    "posthog": "PostHog",
    "amplitude": "Amplitude",
    "mixpanel": "Mixpanel",
    "clickhouse": "ClickHouse",
    "ga4": "GA4",
}
Preset = Mapping[str, Any]
"""Values by the key of a definition."""


def preset_of(presets: Mapping[str, Preset], name: object, question: str) -> Preset:
    """Return the values that a tool uses for a question, which errors name as in "ClickHouse has no sessions".

    Raises:
        DefinitionError: There is no such tool, or none of its rules for this question is known.
    """
    check_preset(presets, name, question)
    return presets[str(name)]


def check_preset(presets: Mapping[str, Any], name: object, question: str) -> None:
    """Refuse a tool that is unknown, or has no such question.

    Raises:
        DefinitionError: One sentence that names the known ones.
    """
    if name in tuple(presets):
        return
    if name in tuple(TOOLS):
        known = ", ".join(presets)
        raise DefinitionError(f"{TOOLS[str(name)]} has no {question} that a preset could follow; known are {known}.")
    raise DefinitionError(f"The preset {name!r} of {question} is unknown; {did_you_mean(name, presets)}.")


def with_preset(presets: Mapping[str, Preset], raw: Mapping[str, Any], question: str) -> dict[str, Any]:
    """Return a definition with the values of its `preset` for the keys that it does not set."""
    values_given = {key: value for key, value in raw.items() if key != "preset"}
    if raw.get("preset") is None:
        return values_given
    values = preset_of(presets, raw["preset"], question)
    return {**values, **{key: value for key, value in values_given.items() if value is not None}}

"""What `--preset` of each tool sets, as a Markdown table for the page about that tool.

Not here: the pages, and the values themselves, which each subject keeps.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from inspect import signature
from typing import Any

from ecom_assets.attribution.rule import PRESETS as ATTRIBUTION
from ecom_assets.cli.attribution import attribution_command
from ecom_assets.cli.funnel import funnel
from ecom_assets.cli.journeys import journeys
from ecom_assets.funnels.presets import PRESETS as FUNNELS
from ecom_assets.journeys.choices import PRESETS as JOURNEYS
from ecom_assets.journeys.choices import JourneyChoices
from ecom_assets.retention.rule import PRESETS as RETENTION
from ecom_assets.retention.rule import RetentionRule
from ecom_assets.sessions.rule import TOOL_RULES
from ecom_assets.tables.presets import TOOLS
from ecom_assets.trends.definition import PRESETS as TRENDS
from ecom_assets.trends.definition import Series, Trend

BEGIN, END = "<!-- preset, made by `make docs` -->\n", "<!-- end of preset -->"
OF_RETENTION = ("period", "mode", "clock", "starting", "week_start")
Values = Mapping[str, Any]


def _options(command: Callable[..., None]) -> dict[str, Any]:
    """Return what the options of a command are without being given."""
    return {name: parameter.default for name, parameter in signature(command).parameters.items()}


def _questions() -> Iterator[tuple[str, Mapping[str, Values], Values]]:
    """Give each command with its presets, and with what it takes without one."""
    rules: dict[str, Values] = {tool: {"session_rule": rule} for tool, rule in TOOL_RULES.items()}
    shown = {name: {key: getattr(rule, key) for key in OF_RETENTION} for name, rule in RETENTION.items()}
    yield "funnel", FUNNELS, _options(funnel)
    yield "funnel --per session", rules, {"session_rule": "ga4"}
    yield "retention", shown, asdict(RetentionRule())
    yield "sessions", rules, {"session_rule": "ga4"}
    yield "journeys", JOURNEYS, _options(journeys) | {"most_steps": JourneyChoices.most_steps}
    yield "attribution", ATTRIBUTION, _options(attribution_command)
    yield "trend", TRENDS, asdict(Trend((Series(None),)))


def preset_table(tool: str) -> str:
    """Return the table of what the preset of a tool sets, and of what commands do without it."""
    lines = [f"| command | option | `--preset {tool}` | without |", "| --- | --- | --- | --- |"]
    for question, presets, usual in _questions():
        values = presets.get(tool)
        if values is None:
            note = "nothing" if " " in question else f"refused: {TOOLS[tool]} has no such question to follow"
            lines.append(f"| `ecom {question}` | | {note} | |")
        elif not values:
            lines.append(f"| `ecom {question}` | | nothing: no default is known that differs | |")
        else:
            lines += [
                f"| `ecom {question}` | {_option(name)} | `{value}` | `{usual[name]}` |"
                for name, value in values.items()
            ]
    return "\n".join(lines) + "\n"


def with_preset_table(page: str, tool: str) -> str:
    """Return the page of a tool with its table as the code has it."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + preset_table(tool) + END + after


def _option(name: str) -> str:
    return "steps kept of a path" if name == "most_steps" else f"`--{name.replace('_', '-')}`"

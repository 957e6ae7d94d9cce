"""What `--preset` of each tool sets, as a Markdown table for the page about that tool.

Not here: the pages, and the values themselves, which each subject keeps.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ecom_assets.behaviour.questions.model import fields_of
from ecom_assets.behaviour.sessions.rule import TOOL_RULES
from ecom_assets.core.tables.values import TOOLS
from ecom_assets.interfaces.all_questions import all_questions

BEGIN, END = "<!-- preset, made by `make docs` -->\n", "<!-- end of preset -->"
Values = Mapping[str, Any]


def _questions() -> Iterator[tuple[str, Mapping[str, Values], Values]]:
    """Give each command with its presets, and with what it takes without one."""
    rule = {"session_rule": "ga4"}
    for kind in all_questions():
        if presets := kind.question.PRESETS:
            yield (
                kind.name,
                presets,
                {field.name: field.default for field in fields_of(kind.question)} | rule,
            )
        if kind.name == "funnel":
            yield (
                "funnel --per session",
                {tool: {"session_rule": name} for tool, name in TOOL_RULES.items()},
                rule,
            )


def preset_table(tool: str) -> str:
    """Return the table of what the preset of a tool sets otherwise than commands do without it."""
    lines = [f"| command | `--preset {tool}` sets | instead of |", "|---|---|---|"]
    for question, presets, usual in _questions():
        values = presets.get(tool)
        if values is None and " " not in question:
            refused = f"refused: {TOOLS[tool]} has no such question to follow"
            lines.append(f"| `ecom {question}` | {refused} | |")
            continue
        differing = {name: value for name, value in (values or {}).items() if value != usual[name]}
        if differing:
            sets = ", ".join(
                f"`--{name.replace('_', '-')} {value}`" for name, value in differing.items()
            )
            instead = ", ".join(f"`{usual[name]}`" for name in differing)
            lines.append(f"| `ecom {question}` | {sets} | {instead} |")
    return "\n".join([*lines, "", "All else is as without the preset."]) + "\n"


def with_preset_table(page: str, tool: str) -> str:
    """Return the page of a tool with its table as the code has it."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + preset_table(tool) + END + after

"""The pages about other tools: every command on them prints, over the example's events,
what stands below it.
"""

import re
import shlex
from pathlib import Path

import pytest

from ecom_assets.core.tables.values import TOOLS
from ecom_assets_tests.command import ecom, real_file
from ecom_assets_tests.each import each
from ecom_assets_tests.markdown import ROOT, section, sections

SHOWN = re.compile(
    r"^```sh\n((?:ecom [^\n]*\n)+)```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
GAP = "…"
PAGES = (*TOOLS, "snowplow")
"""Those of tools with a preset, and Snowplow's, whose rules are named one by one."""


def shown_on(tool: str) -> list[tuple[str, str]]:
    """Return each block of commands of a tool's page with the text below it."""
    return SHOWN.findall((ROOT / "docs" / f"from_{tool}.md").read_text(encoding="utf-8"))


def printed(commands: str, home: Path) -> str:
    """Return what commands print, on a terminal: an error comes there, too."""
    result = [ecom(*shlex.split(line)[1:], home=home, cwd=ROOT) for line in commands.splitlines()]
    return "".join(row.out + row.err for row in result)


def fits(shown: str, whole: str) -> bool:
    """Return whether lines are those of a text, save where a line `…` stands for others."""
    parts = [
        re.escape(part.strip("\n")) for part in re.split(rf"^{GAP}$", shown, flags=re.MULTILINE)
    ]
    return (
        re.fullmatch("(?:.*\n)*?".join(part + "\n" if part else "" for part in parts), whole)
        is not None
    )


@each("tool", PAGES)
def test_no_command_of_the_page_stands_without_what_it_prints(tool: str) -> None:
    page = (ROOT / "docs" / f"from_{tool}.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^```sh$", page, re.MULTILINE)) == len(shown_on(tool)) >= 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tool", "index"), [(tool, n) for tool in PAGES for n in range(len(shown_on(tool)))]
)
def test_every_command_of_the_page_prints_what_stands_below_it(
    tool: str, index: int, tmp_path: Path
) -> None:
    commands, shown = shown_on(tool)[index]
    whole = printed(commands, tmp_path / "home")
    assert fits(shown, whole), f"{commands}{whole}"


CLICKSTREAMS = (
    ("rees46_2019_10_01.csv", "rees46", "17,434"),
    ("otto_sessions.jsonl", "otto", "862"),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tool", "file", "mapping", "rows"),
    [(tool, *CLICKSTREAMS[n % 2]) for n, tool in enumerate(TOOLS)],
)
def test_a_real_file_answers_the_questions_too(
    tool: str, file: str, mapping: str, rows: str, tmp_path: Path
) -> None:
    """Of real clickstreams, whose words for what happens are others, by their mappings: each tool's
    of one of them.
    """
    events = real_file(file)
    for commands, _ in SHOWN.findall(dict(sections(f"docs/from_{tool}.md"))["Five questions"]):
        for line in commands.splitlines():
            arguments = [
                str(events) if word.endswith("example_events.csv") else word
                for word in shlex.split(line)[1:]
            ]
            result = ecom(*arguments, "--mapping", mapping, home=tmp_path / "home")
            assert (result.exit_code, f"Rows: {rows} read" in result.out) == (0, True), (
                f"{line}\n{result.err}"
            )


@pytest.mark.slow
def test_the_published_retention_of_a_real_shop_comes_out_by_each_tool_s_preset(
    tmp_path: Path,
) -> None:
    """UCI's Online Retail as events, by the mapping on the page about own data;
    the counts are published.
    """
    events = real_file("online_retail_2010_2011.parquet")
    mapping = tmp_path / "retail_events.yaml"
    (text,) = [
        block
        for block in section("docs/own_data.md", "Questions to other files").code
        if block.startswith("name: ")
    ]
    mapping.write_text(text, encoding="utf-8")
    arguments = (
        "--events",
        events,
        "--mapping",
        mapping,
        "--start",
        "purchase",
        "--return",
        "purchase",
        "--json",
    )
    for tool in ("posthog", "clickhouse"):
        result = ecom(
            "retention", *arguments, "--preset", tool, "--period", "month", home=tmp_path / "home"
        )
        december = result.json["cohorts"][0]
        assert december["returned"] == [
            885,
            324,
            286,
            340,
            321,
            352,
            321,
            309,
            313,
            350,
            331,
            445,
            235,
        ]
        assert result.json["rows"]["rejected"] == {"missing_identity": 135_080, "duplicate": 5_225}
    values = (
        "trend",
        *arguments[:4],
        "--series",
        "purchase:visitors",
        "--series",
        "purchase:visitors:first_ever",
        "--json",
    )
    whole = ecom(*values, "--period", "month", "--preset", "mixpanel", home=tmp_path / "home").json
    assert [series["total"] for series in whole["series"]] == [4_338, 4_338]
    assert whole["series"][1]["values"][0] == 885


@each("tool", TOOLS)
def test_the_page_has_five_questions_and_shows_each_difference(tool: str) -> None:
    parts = dict(sections(f"docs/from_{tool}.md"))
    assert len(SHOWN.findall(parts["Five questions"])) == 5
    answer = [
        part
        for part in re.split(
            r"^\*\*", parts["Where our answer differs, and why"], flags=re.MULTILINE
        )
        if part.strip()
    ]
    assert len(answer) >= 3
    assert [row.splitlines()[0] for row in answer if not SHOWN.search(row)] == []
    assert all(
        f"--preset {tool}" in command for command, _ in SHOWN.findall(parts["Five questions"])
    )


def test_lines_are_left_out_only_where_a_gap_stands() -> None:
    whole = "a\nb\nc\n"
    assert fits(whole, whole)
    assert fits("…\nb\nc\n", whole)
    assert fits("a\n…\n", whole)
    assert fits("a\n…\nc\n", whole)
    assert not fits("a\nc\n", whole)
    assert not fits("a\nb\n", whole)
    assert not fits("…\nc\nb\n", whole)

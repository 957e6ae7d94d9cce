"""Markdown as test input: the tables and code of a page, section by section."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
Line = dict[str, str]


@dataclass(frozen=True)
class Section:
    """What stands under one heading, up to the next heading of any level."""

    text: str

    @property
    def tables(self) -> list[list[Line]]:
        """Return every table, a row as column to cell; backticks are left out."""
        return [
            _rows(block) for block in re.findall(r"(?:^\|.*\n)+", self.text + "\n", re.MULTILINE)
        ]

    @property
    def code(self) -> list[str]:
        """Return the text of every fenced block."""
        return re.findall(r"^```\w*\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)


def section(page: str, heading: str) -> Section:
    """Return what stands under a heading of a page of this project."""
    actual = dict(sections(page))
    assert heading in actual, f"{page} has no heading {heading!r}; it has {list(actual)}"
    return Section(actual[heading])


def definition(heading: str) -> Section:
    """Return what the pages of metrics say under a heading, and then the examples of it that are
    kept in `examples.txt` beside the tests of its subject.
    """
    examples = sorted((ROOT / "ecom_assets_tests").rglob("examples.txt"))
    pages = ["docs/metrics", *(str(path.relative_to(ROOT)) for path in examples)]
    parts = [text for page in pages for name, text in sections(page) if name == heading]
    assert parts, f"neither docs/metrics nor an examples.txt has the heading {heading!r}"
    return Section("\n".join(parts))


def sections(page: str) -> Iterator[tuple[str, str]]:
    """Give each heading of a page, or of all pages of a folder, with what stands under it."""
    pages = sorted((ROOT / page).glob("*.md")) or [ROOT / page]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    _, *parts = re.split(r"^#+ (.+)\n", _hide_comments_in_code(text), flags=re.MULTILINE)
    for heading, body in zip(parts[::2], parts[1::2], strict=True):
        yield heading, body.replace("\0", "#")


def event_lines(lines: list[Line], more: str) -> list[Line]:
    """Return a line for each event of a table of visitors, whose cells are as
    `09:00 product_view hats, 2026-03-11 20:00 purchase`.

    An event without a day is of 2026-03-10; `more` names what follows the type.
    """
    events = []
    for line in lines:
        for text in line["events"].split(", "):
            words = text.split(" ")
            day = words.pop(0) if "-" in words[0] else "2026-03-10"
            clock, event_type, *rest = words
            events.append(
                {
                    "visitor": line["visitor"],
                    "event_at": f"{day} {clock}",
                    "event_type": event_type,
                    more: " ".join(rest),
                }
            )
    return events


def _hide_comments_in_code(text: str) -> str:
    return re.sub(
        r"^```.*?^```$",
        lambda block: block[0].replace("#", "\0"),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )


def _rows(block: str) -> list[Line]:
    head, _, *lines = [_cells(line) for line in block.strip().splitlines()]
    return [dict(zip(head, cells, strict=True)) for cells in lines]


def _cells(line: str) -> list[str]:
    inside = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("`", "") for cell in inside.split("|")]

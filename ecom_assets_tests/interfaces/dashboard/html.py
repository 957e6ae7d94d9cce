"""Reading pages: the tiles, tables and links of an HTML text, with Python's own parser."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "hr", "rect", "polyline", "path", "circle"}


@dataclass
class Node:
    """An element with its attributes, its elements and its own text."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def all(self, tag: str, **attributes: str) -> list["Node"]:
        """Return the elements below with a tag, without those of templates;
        `class_` names one of its classes.
        """
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        own = [self] if self.tag == tag and all(self._has(*item) for item in wanted.items()) else []
        inside = () if self.tag == "template" else self.children
        return own + [node for child in inside for node in child.all(tag, **attributes)]

    def one(self, tag: str, **attributes: str) -> "Node":
        """Return the first of them."""
        return self.all(tag, **attributes)[0]

    @property
    def text(self) -> str:
        """Return all text below, with single spaces."""
        parts = [*self.texts, *(child.text for child in self.children)]
        return " ".join(" ".join(parts).split())

    def _has(self, name: str, value: str) -> bool:
        actual = self.attributes.get(name, "")
        return value in actual.split() if name == "class" else actual == value


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Node("root")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].texts.append(data)


def read(text: str) -> Node:
    """Return the tree of a page, in which every element is closed where it should be."""
    reader = _Reader()
    reader.feed(text)
    assert len(reader._open) == 1, f"<{reader._open[-1].tag}> is not closed"  # noqa: SLF001 (its own)
    return reader.root


def tiles_of(page: Node) -> dict[str, str]:
    """Return the raw value of each tile by its label."""
    return {
        tile.one("h3").text: tile.one("p", class_="number").attributes["data-value"]
        for tile in page.all("li", class_="tile")
    }

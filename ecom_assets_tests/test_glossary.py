"""The glossary for readers: each term is used in the package and linked from the docstring
that introduces it, and each such link leads to a term.
"""

import ast
import re
from pathlib import Path

import pytest

from ecom_assets.behaviour.questions.model import fields_of
from ecom_assets.interfaces.all_questions import all_questions
from ecom_assets_tests.each import each
from ecom_assets_tests.markdown import ROOT, sections
from ecom_assets_tests.test_docs import anchor_of

GLOSSARY = "docs/glossary.md"
LONGEST_SENTENCE = 140
TERMS = {
    heading: " ".join(body.split())
    for heading, body in sections(GLOSSARY)
    if body.strip() and heading != "Glossary"
}
"""The meaning of each term; headings of groups have no text."""
LINKS = re.compile(r"docs/glossary\.md#[\w-]+(?:(?:, | and )#[\w-]+)*")
"""Links in prose: the page once, then anchors, such as `docs/glossary.md#link and #alias`."""
CODE = {path: path.read_text(encoding="utf-8") for path in (ROOT / "ecom_assets").rglob("*.py")}


def linked_anchors(text: str) -> set[str]:
    """Return the anchors of the glossary that a text links to."""
    return {anchor for links in LINKS.findall(text) for anchor in re.findall(r"#([\w-]+)", links)}


def docstring_of(path: Path) -> str:
    """Return the docstring of a module."""
    return ast.get_docstring(ast.parse(CODE[path])) or ""


def test_a_term_has_one_short_sentence() -> None:
    assert len(TERMS) > 30
    long = [name for name, line in TERMS.items() if ". " in line or len(line) > LONGEST_SENTENCE]
    assert long == []


@each("term", TERMS)
def test_a_term_is_used_in_the_package(term: str) -> None:
    word = re.compile(rf"(?<![a-z]){term.replace(' ', '[ _]')}s?(?![a-z])", re.IGNORECASE)
    assert any(word.search(LINKS.sub("", text)) for text in CODE.values())


@pytest.mark.slow
def test_each_link_leads_to_a_term_and_each_term_is_linked_where_it_is_introduced() -> None:
    anchors = {anchor_of(term) for term in TERMS}
    assert set().union(*(linked_anchors(text) for text in CODE.values())) <= anchors
    assert set().union(*(linked_anchors(docstring_of(path)) for path in CODE)) == anchors


def test_the_help_of_a_question_says_what_the_default_is() -> None:
    """As `--help` of other tools does, and settings: "default", and never "if not given"."""
    helps = [field.help for kind in all_questions() for field in fields_of(kind.question)]
    assert len(helps) > 100
    assert [text for text in helps if re.search(r"\bgiven\b", text)] == []


def test_a_link_may_name_several_terms() -> None:
    text = "Terms: docs/glossary.md#clean, #quarantined and #dead-letter. See #else."
    assert linked_anchors(text) == {"clean", "quarantined", "dead-letter"}

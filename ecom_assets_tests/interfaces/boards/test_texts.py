"""What names and notes may hold, whichever way they come: the API,
pages and files all save through the store.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.boards.model import Annotation, Board, Kept, NumberAlert, SavedQuestion
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets_tests.command import ecom

ODD = {
    "\x00": "NUL",
    "\n": "line break",
    "\r": "line break",
    "\u2028": "line break",
    "\x1b": "control character",
}
KEPT: dict[str, tuple[type[Kept], dict[str, Any]]] = {
    "board": (Board, {"name": "Shop{}"}),
    "owner": (Board, {"name": "Shop", "owner": "anna{}"}),
    "tile": (Board, {"name": "Shop", "tiles": [{"measure": "revenue_amount", "name": "Sales{}"}]}),
    "question": (
        SavedQuestion,
        {"name": "Q{}", "kind": "trend", "definition": {"series": ["purchase"]}},
    ),
    "alert": (NumberAlert, {"name": "Orders{}", "measure": "revenue_amount"}),
    "note": (Annotation, {"day": "2026-03-03", "text": "Sale{}began"}),
}


def filled(value: Any, character: str) -> Any:
    return json.loads(json.dumps(value).replace("{}", json.dumps(character)[1:-1]))


@pytest.mark.parametrize("character", ODD)
@pytest.mark.parametrize("name", KEPT)
def test_a_name_or_a_note_is_one_line_of_characters(
    tmp_path: Path, name: str, character: str
) -> None:
    kind, content = KEPT[name]
    store = BoardStore(Settings(home=tmp_path))
    with pytest.raises(DefinitionError, match=ODD[character]):
        store.save_new(kind.from_mapping(filled(content, character)), "anna")
    assert store.save_new(kind.from_mapping(filled(content, " ")), "anna").number == 1


def test_a_description_may_have_lines_and_no_nul(tmp_path: Path) -> None:
    store = BoardStore(Settings(home=tmp_path))
    assert store.save_new(
        Board.from_mapping({"name": "Shop", "description": "Two\nlines\t\u2028and"}), "anna"
    ).number
    for odd in ("\x00", "\x07"):
        with pytest.raises(DefinitionError, match="`description` of a board"):
            store.save_new(Board.from_mapping({"name": "Shop", "description": f"a{odd}b"}), "anna")
    condition = {
        "series": ["purchase"],
        "where": {"column": "page_url", "op": "contains", "value": "a\x00b"},
    }
    with pytest.raises(DefinitionError, match="definition"):
        SavedQuestion.from_mapping({"name": "Q", "kind": "trend", "definition": condition}).check()


def test_files_are_checked_too(tmp_path: Path) -> None:
    boards = tmp_path / "boards" / "boards"
    boards.mkdir(parents=True)
    (boards / "shop.yaml").write_text('name: "Shop\\0"\n', encoding="utf-8")
    (boards / "two.yaml").write_text("name: |\n  Two\n  lines\n", encoding="utf-8")
    result = ecom("boards", "check", tmp_path / "boards", home=tmp_path / "home")
    assert result.exit_code == 2
    assert "boards/shop.yaml: `name` of a board has a NUL character" in result.err
    assert "boards/two.yaml: `name` of a board has a line break" in result.err

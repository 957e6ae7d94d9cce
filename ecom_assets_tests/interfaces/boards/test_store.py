"""What people keep: versions, who saved them, two people at once, undo."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from ecom_assets.behaviour.funnels.question import FunnelQuestion
from ecom_assets.behaviour.questions.model import Question
from ecom_assets.core.errors import DefinitionError, EcomError, WorkError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.queries import Period
from ecom_assets.interfaces.all_questions import all_questions
from ecom_assets.interfaces.boards.model import (
    Annotation,
    Board,
    BoardTile,
    FirstScreen,
    SavedQuestion,
    slug_of,
)
from ecom_assets.interfaces.boards.store import BoardStore, ChangedMeanwhileError, NotKeptError
from ecom_assets_tests.each import each

PHONES = SavedQuestion.from_mapping(
    {
        "name": "Checkout on phones",
        "kind": "funnel",
        "definition": {
            "steps": ["product_view", "purchase"],
            "where": ["device = mobile"],
            "last": "30d",
        },
    }
)


def board(name: str, *tiles: BoardTile) -> Board:
    return Board(name=name, tiles=tiles)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BoardStore:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    minutes: Iterator[int] = iter(range(1_000))
    return BoardStore(
        Settings(home=tmp_path, boards_url=SecretStr(url)),
        now=lambda: datetime(2026, 3, 3, 9, tzinfo=UTC) + timedelta(minutes=next(minutes)),
    )


def test_each_write_is_a_version_with_who_and_when_and_any_of_them_comes_back(
    store: BoardStore,
) -> None:
    first = store.save_new(PHONES, "anna")
    assert (first.slug, first.number, first.change) == ("checkout-on-phones", 1, "created")
    renamed = PHONES.changed(name="Phones")
    assert store.save(first.slug, renamed, 1, "ben").number == 2
    assert store.delete(SavedQuestion, first.slug, 2, "cleo").is_deleted
    assert store.newest(SavedQuestion) == []
    with pytest.raises(NotKeptError, match="There is no saved question 'checkout-on-phones'"):
        store.get(SavedQuestion, first.slug)
    back = store.restore(SavedQuestion, first.slug, 1, "anna")
    assert (back.number, back.item) == (4, PHONES)
    assert (
        store.undo(SavedQuestion, first.slug, "anna").item == renamed
    )  # what was deleted as version 3
    assert [
        (v.number, v.change, v.saved_by) for v in store.versions(SavedQuestion, first.slug)
    ] == [
        (5, "restored", "anna"),
        (4, "restored", "anna"),
        (3, "deleted", "cleo"),
        (2, "changed", "ben"),
        (1, "created", "anna"),
    ]
    assert [(v.slug, v.number) for v in store.changes(2)] == [(first.slug, 5), (first.slug, 4)]
    assert store.changes()[-1].saved_at == datetime(2026, 3, 3, 9, tzinfo=UTC)


def test_of_two_people_who_save_at_once_one_is_told_what_the_other_changed(
    store: BoardStore,
) -> None:
    """Both opened version 1; Ben was first, so Anna's new description is not written,
    and Ben's name stays.
    """
    begun = store.save_new(board("Checkout"), "anna")
    store.save(begun.slug, begun.item.changed(name="Till"), 1, "ben")
    with pytest.raises(ChangedMeanwhileError) as error:
        store.save(begun.slug, begun.item.changed(description="What phones do"), 1, "anna")
    assert "Nothing was saved: ben changed it at 2026-03-03 09:01 UTC" in str(error.value)
    assert "Changed by them: name; by you: description." in str(error.value)
    assert error.value.current == store.get(Board, begun.slug)
    assert [version.saved_by for version in store.versions(Board, begun.slug)] == ["ben", "anna"]


def test_of_ten_who_save_in_the_same_moment_exactly_one_is_first(store: BoardStore) -> None:
    begun = store.save_new(board("Checkout"), "anna")

    def save(number: int) -> bool:
        try:
            store.save(begun.slug, board(f"Checkout {number}"), 1, f"person {number}")
        except ChangedMeanwhileError:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(save, range(10))) == 1
    assert [version.number for version in store.versions(Board, begun.slug)] == [2, 1]


def test_saving_what_is_there_already_writes_nothing(store: BoardStore) -> None:
    begun = store.save_new(board("Checkout"), "anna")
    assert (
        store.save(begun.slug, begun.item, 1, "ben")
        == store.save(begun.slug, begun.item, 0, "ben")
        == begun
    )


def test_names_that_are_alike_get_ids_of_their_own(store: BoardStore) -> None:
    slugs = [
        store.save_new(Annotation(day=date(2026, 3, 3), text=text), "anna").slug
        for text in ("Sale!", "sale")
    ]
    assert slugs == ["2026-03-03-sale", "2026-03-03-sale-2"]


def test_the_shipped_board_is_there_until_somebody_changes_or_deletes_it(store: BoardStore) -> None:
    (shipped,) = store.newest(Board)
    assert (shipped.slug, shipped.number, shipped.saved_by) == ("shop", 0, "ecom_assets")
    store.save("shop", shipped.item.changed(name="Ours"), 0, "anna")
    assert [version.item.name for version in store.newest(Board)] == ["Ours"]
    assert store.undo(Board, "shop", "ben").item == shipped.item
    store.delete(Board, "shop", 2, "ben")
    assert store.newest(Board) == []


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    store = BoardStore(Settings(home=tmp_path / "home"))
    assert store.newest(SavedQuestion) == store.changes() == []
    assert store.find(FirstScreen, FirstScreen.SLUG) is None
    assert not (tmp_path / "home").exists()


def test_a_file_that_is_no_store_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "boards.sqlite").write_text(
        "something else, and long enough to be looked at as a database" * 99
    )
    with pytest.raises(
        WorkError,
        match=r"store of boards .* cannot be used \(file is not a database\), so nothing was",
    ):
        BoardStore(Settings(home=tmp_path)).newest(Board)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"kind": "funel"}, "The kind of question 'funel' is unknown; did you mean 'funnel'"),
        ({"kind": "value"}, "asked of files only"),
        (
            {"definition": {"stepz": ["purchase"]}},
            "Unknown key 'stepz' in a funnel.*did you mean 'steps'",
        ),
        (
            {"definition": {"steps": ["a", "b"], "start_date": "2026-03-03", "last": "3d"}},
            "`definition` of 'Checkout",
        ),
        ({"name": ""}, "`name` of a saved question cannot be empty"),
    ],
)
def test_a_question_that_cannot_be_asked_is_not_saved(
    tmp_path: Path, question: dict[str, object], message: str
) -> None:
    store = BoardStore(Settings(home=tmp_path))
    with pytest.raises(DefinitionError, match=message):
        store.save_new(SavedQuestion.from_mapping({**PHONES.to_file(), **question}), "anna")
    assert store.changes() == []


@each(
    "tile, message",
    [
        ({}, "either `question`"),
        ({"question": "a", "measure": "order_count"}, "either `question`"),
        ({"measure": "revenue"}, "The number 'revenue' is unknown; did you mean 'revenue_amount'"),
        (
            {"question": "../secrets"},
            "`tiles.0.question` of a board is written as .*, not '../secrets'",
        ),
        (
            {"measure": "order_count", "width": "wide"},
            "`tiles.0.width` of a board cannot be 'wide'",
        ),
    ],
)
def test_a_tile_that_cannot_be_shown_is_refused(tile: dict[str, object], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Board.from_mapping({"name": "Checkout", "tiles": [tile]})


def examples() -> list[tuple[str, type[Question], dict[str, object]]]:
    return [
        (kind.name, kind.question, example)
        for kind in all_questions()
        if kind.has_route
        for example in (kind.question.model_config.get("json_schema_extra") or {}).get(
            "examples", []
        )
    ]


@each("kind, model, example", examples())
def test_every_kind_of_question_comes_back_as_it_was_saved(
    kind: str, model: type[Question], example: dict[str, object]
) -> None:
    asked = model.from_mapping({**example, "last": "30d"})
    saved = SavedQuestion.from_question(kind, asked, name="Kept")
    saved.check()
    assert SavedQuestion.from_mapping(saved.to_file()).question == asked


def test_a_board_narrows_its_questions_and_sets_their_days() -> None:
    period = Period.from_range(date(2026, 3, 3), "week")
    asked = Board(name="Phones", where=("country = DE",), segment="buyers").asked(PHONES, period)
    assert isinstance(asked, FunnelQuestion)
    assert (asked.entry_days.first, asked.entry_days.last) == (date(2026, 2, 25), date(2026, 3, 3))
    assert asked.segment == "buyers"
    assert asked.columns == ["device", "country"]


def test_a_board_of_days_that_do_not_go_together_is_not_saved(tmp_path: Path) -> None:
    days = {"time_range": "custom", "start_date": "2026-03-03", "end_date": "2026-03-01"}
    with pytest.raises(EcomError, match="is after end_date"):
        BoardStore(Settings(home=tmp_path)).save_new(
            Board.from_mapping({"name": "Odd", **days}), "anna"
        )


def test_ids_are_plain_whatever_the_name() -> None:
    names = ("Überblick: Käufe", "<script>alert(1)</script>", "销售", "a" * 99, "../../etc")
    assert [slug_of(name) for name in names] == [
        "uberblick-kaufe",
        "script-alert-1-script",
        "item",
        "a" * 60,
        "etc",
    ]


def test_texts_are_replaced_in_every_version_and_in_ids_and_what_is_left_can_be_read(
    store: BoardStore,
) -> None:
    """A person's id as a text, as a number, in a name and so in the id; another person's stays."""
    definition = {
        "steps": ["a", "b"],
        "where": [{"column": "user_id", "operator": "one_of", "value": [4711, "4711", 8]}],
    }
    asked = SavedQuestion.from_mapping(
        {"name": "What 4711 did", "kind": "funnel", "definition": definition}
    )
    store.save_new(asked, "anna")
    store.save_new(PHONES, "anna")
    store.save_new(
        board(
            "Both", BoardTile(question="what-4711-did"), BoardTile(question="checkout-on-phones")
        ),
        "anna",
    )

    def mask(text: str) -> str:
        return text.replace("4711", "(hidden)")

    assert len(store.rewrite(mask, is_written=False)) == 2
    assert store.get(SavedQuestion, "what-4711-did").item == asked
    both, changed = store.rewrite(mask)
    assert both == "boards/both"
    tiles = [tile.question for tile in store.get(Board, "both").item.tiles]
    assert tiles == [changed.removeprefix("questions/"), "checkout-on-phones"]
    kept = store.get(SavedQuestion, changed.removeprefix("questions/")).item
    assert kept.name == "What (hidden) did"
    assert kept.definition["where"][0]["value"] == ["(hidden)", "(hidden)", 8]
    kept.check()
    assert store.rewrite(mask) == []
    assert store.get(SavedQuestion, "checkout-on-phones").item == PHONES

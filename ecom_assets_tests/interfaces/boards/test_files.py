"""Boards as files of a repository: what is pulled, checked and pushed,
and whose change is not lost.
"""

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.boards.files import check, faults_of, pull
from ecom_assets.interfaces.boards.model import Annotation, Board, FirstScreen, SavedQuestion
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets_tests.command import CommandResult, ecom

BUYS = SavedQuestion.from_mapping(
    {
        "name": "Who buys",
        "kind": "funnel",
        "form": "step1=product_view&step2=purchase",
        "definition": {"steps": ["product_view", "purchase"], "from": "2026-01-01"},
    }
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home where a question, a board with it and an annotation are kept."""
    home = tmp_path / "home"
    store = BoardStore(Settings(home=home))
    store.save_new(BUYS, "anna")
    store.save_new(
        Board.from_mapping({"name": "Checkout", "tiles": [{"question": "who-buys"}]}), "anna"
    )
    store.save_new(
        Annotation.from_mapping({"day": "2026-03-03", "text": "Sale: <b>began</b>"}), "anna"
    )
    return home


@pytest.fixture
def repository(home: Path, tmp_path: Path) -> Path:
    """The folder that was pulled from it."""
    assert boards("pull", tmp_path / "repository", home=home).exit_code == 0
    return tmp_path / "repository"


def boards(*arguments: str | Path, home: Path) -> CommandResult:
    return ecom("boards", *arguments, home=home)


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_files_are_stable_and_hold_no_time_and_no_person(home: Path, repository: Path) -> None:
    assert (repository / "questions" / "who-buys.yaml").read_text() == (
        "version: 1\n"
        "name: Who buys\n"
        "kind: funnel\n"
        "definition:\n"
        "  steps:\n"
        "  - product_view\n"
        "  - purchase\n"
        "  from: '2026-01-01'\n"
    )
    files = {path.relative_to(repository).as_posix() for path in repository.rglob("*.yaml")}
    assert files == {
        "questions/who-buys.yaml",
        "boards/checkout.yaml",
        "boards/shop.yaml",
        "annotations/2026-03-03-sale-b-began-b.yaml",
    }
    assert boards("pull", repository, "--json", home=home).json["changed"] == []
    assert boards("push", repository, home=home).out == "The store has all of it already.\n"


def test_a_pushed_change_is_a_version_and_the_file_has_its_number(
    home: Path, repository: Path
) -> None:
    path = repository / "boards" / "checkout.yaml"
    edit(path, "name: Checkout", "name: Till")
    (repository / "settings").mkdir()
    (repository / "settings" / "first-screen.yaml").write_text("board: checkout\n")
    tried = boards("push", repository, "--dry-run", home=home)
    assert tried.out == "boards/checkout changes (name)\nsettings/first-screen new\n"
    assert boards("push", repository, "--by", "ben", home=home).exit_code == 0
    store = BoardStore(Settings(home=home))
    newest = store.get(Board, "checkout")
    assert (newest.number, newest.item.name, newest.saved_by) == (2, "Till", "ben")
    assert yaml.safe_load(path.read_text())["version"] == 2
    assert store.get(FirstScreen, FirstScreen.SLUG).item.board == "checkout"


def test_a_push_over_a_newer_version_saves_nothing_at_all(home: Path, repository: Path) -> None:
    store = BoardStore(Settings(home=home))
    store.save("checkout", store.get(Board, "checkout").item.changed(name="Theirs"), 1, "ben")
    edit(repository / "boards" / "checkout.yaml", "name: Checkout", "name: Mine")
    edit(repository / "questions" / "who-buys.yaml", "name: Who buys", "name: Who buys what")
    refused = boards("push", repository, home=home)
    assert refused.exit_code == 2
    assert "boards/checkout: the file is of version 1, and ben changed it as 2 at" in refused.err
    assert "Nothing was saved" in refused.err
    assert store.get(SavedQuestion, "who-buys").number == 1


def test_what_only_the_store_has_is_named_and_deleted_only_if_asked(
    home: Path, repository: Path
) -> None:
    (repository / "boards" / "checkout.yaml").unlink()
    assert boards("push", repository, home=home).out.startswith(
        "boards/checkout only in the store: stays"
    )
    assert boards("push", repository, "--delete", home=home).out == "boards/checkout is deleted\n"
    store = BoardStore(Settings(home=home))
    assert [version.slug for version in store.newest(Board)] == ["shop"]
    store.restore(Board, "checkout", 1, "anna")
    pull(store, repository)
    store.delete(Board, "checkout", 3, "anna")
    assert [path.name for path in pull(store, repository)] == ["checkout.yaml"]
    assert not (repository / "boards" / "checkout.yaml").exists()


def test_a_question_keeps_its_form_while_its_definition_is_the_same(
    home: Path, repository: Path
) -> None:
    store, path = BoardStore(Settings(home=home)), repository / "questions" / "who-buys.yaml"
    edit(path, "name: Who buys", "name: Buyers")
    boards("push", repository, home=home)
    assert store.get(SavedQuestion, "who-buys").item.form == BUYS.form
    edit(path, "  - purchase", "  - checkout_start")
    boards("push", repository, home=home)
    assert store.get(SavedQuestion, "who-buys").item.form == ""


@pytest.mark.parametrize(
    ("file", "before", "after", "sentence"),
    [
        (
            "boards/checkout",
            "question: who-buys",
            "question: who-buy",
            "not in the folder; did you mean 'who-buys'",
        ),
        ("questions/who-buys", "kind: funnel", "kind: funel", "did you mean 'funnel'"),
        (
            "questions/who-buys",
            "steps:",
            "stepz:",
            "Unknown key 'stepz' in a funnel definition; did you mean 'steps'",
        ),
        (
            "questions/who-buys",
            "name: Who buys",
            "name: [",
            "It is not YAML: expected ',' or ']', but got ':' at line",
        ),
        (
            "questions/who-buys",
            "name: Who buys",
            "name: A\nname: B",
            (
                "questions/who-buys.yaml: the key 'name' is given twice at line 3, column 1; leave "
                "one of them out."
            ),
        ),
        ("questions/who-buys", "version: 1", "version: new", "`version` is the number"),
        (
            "boards/checkout",
            "name: Checkout",
            "nam: Checkout",
            "Unknown key 'nam' in a board; did you mean 'name'",
        ),
    ],
)
def test_check_names_the_file_and_what_was_meant_without_a_store(  # noqa: PLR0913, PLR0917 (each is of a case)
    repository: Path, tmp_path: Path, file: str, before: str, after: str, sentence: str
) -> None:
    edit(repository / f"{file}.yaml", before, after)
    found = boards("check", repository, home=tmp_path / "elsewhere")
    assert found.exit_code == 2
    assert f"{file}.yaml: " in found.err
    assert sentence in found.err
    assert not (tmp_path / "elsewhere").exists()
    assert boards("check", repository, "--json", home=tmp_path / "elsewhere").json["faults"]


def test_a_folder_that_is_right_or_not_there_says_so(home: Path, repository: Path) -> None:
    assert boards("check", repository, home=home).out == f"The 4 files of {repository} are right.\n"
    assert "There is no folder" in boards("check", repository / "none", home=home).sentence


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
            for before, name in pairwise("abcdefgh")
        ),
        "a: &a [*a]\n",
        f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 5_000)}]\n",
    ],
    ids=["nested", "of itself", "long"],
)
def test_aliases_that_repeat_very_much_are_refused_before_they_are_read(
    tmp_path: Path, text: str
) -> None:
    """Nine aliases of nine of nine …: 630 bytes were a message of hundreds of megabytes."""
    path = tmp_path / "boards" / "shop.yaml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    ((fault,), files) = faults_of(tmp_path)
    assert (files, len(fault) < 300) == ([], True)
    assert "its aliases (*name) make it more than 2,000,000 characters long" in fault


@pytest.mark.slow
def test_an_alias_that_repeats_a_little_is_read(tmp_path: Path) -> None:
    path = tmp_path / "boards" / "shop.yaml"
    path.parent.mkdir()
    path.write_text("name: &name Shop\ndescription: *name\n", encoding="utf-8")
    (file,) = check(tmp_path)
    assert file.content == {"name": "Shop", "description": "Shop"}
    path.write_text(f"[{'x, ' * 100_000}]", encoding="utf-8")
    ((fault,), _) = faults_of(tmp_path)
    assert len(fault) < 500, "a message quotes the start of what is wrong"

"""`ecom erase` as a shop meets it: a person is gone from every table and file, stays gone,
and others are as before.

Ann and Bob shop on three days; the shop of reference never had Ann. Tables after the erasure are
the reference's. The shops have few tables: `test_erase_customer.py` compares all of them.
"""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.collector.segments import segments_folder
from ecom_assets.interfaces.boards.model import SavedQuestion, slug_of
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets_tests.cli.contents import contents
from ecom_assets_tests.command import FEW_TABLES, HEADER, CommandResult, ecom
from ecom_assets_tests.orchestration.privacy.few_tables import compute_only_what_was_made

pytestmark = pytest.mark.xdist_group("privacy_erase")
DAYS = ("2026-01-01", "2026-01-02", "2026-01-05")
STEPS = ("page_view", "product_view", "add_to_cart", "purchase")
ANN, BOB = "ann-4711", "bob-4712"
NUMBER = {ANN: 1, BOB: 2}
OPTION, FEW = FEW_TABLES
PUBLISHED = (OPTION, f'{FEW} or key:"mart/restatements"')
"""Few tables, and what was published before."""


@pytest.fixture(autouse=True)
def _few_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    compute_only_what_was_made(monkeypatch)


def land(folder: Path, *people: str) -> Path:
    """Land what some people did on each day;
    the first page view of a visit comes without its user.
    """
    for day in DAYS:
        partition = folder / f"received_date={day}"
        partition.mkdir(parents=True)
        rows = [
            f"e{NUMBER[who]}-{day}-{n},{who if n else ''},{step},{day}T10:0{n}:00Z,"
            f"{'p1' if n else ''},hats,s-{who}-{day},https://shop.example/,,"
            f"{'20.00' if n > 1 else ''}"
            for who in people
            for n, step in enumerate(STEPS)
        ]
        (partition / "events.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder


def query(home: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def files_with(word: str, *folders: Path) -> list[str]:
    every = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [str(path) for path in every if word.encode() in path.read_bytes()]


def keep_questions(settings: Settings) -> None:
    """Save a question about Ann, which was about Bob before, and one about everybody."""
    store, steps = BoardStore(settings), ["page_view", "purchase"]
    for name, who, version in (
        (f"What {ANN} did", BOB, 0),
        (f"What {ANN} did", ANN, 1),
        ("Everybody", "", 0),
    ):
        where = [{"column": "user_id", "operator": "equals", "value": who}] if who else []
        definition = {"steps": steps, "where": where}
        saved = SavedQuestion.from_mapping(
            {"name": name, "kind": "funnel", "definition": definition}
        )
        store.save(slug_of(name), saved, version, "clerk")


def leave_collected(home: Path) -> None:
    """Leave what a collector that was killed has not landed: one more event of Ann's."""
    event = {
        "event_id": "late",
        "user_id": ANN,
        "event_type": "page_view",
        "event_timestamp": f"{DAYS[-1]}T11:00:00Z",
    }
    segment = segments_folder(home) / f"received_date={DAYS[-1]}" / "killed-1.ecommerce.ndjson"
    segment.parent.mkdir(parents=True)
    segment.write_text(json.dumps({**event, "received_at": f"{DAYS[-1]}T11:00:01Z"}) + "\n")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop from which Ann was erased, in `home` and `landing`; what
    `erase` said is in `said.json`.
    """
    root = tmp_path_factory.mktemp("erased")
    land(root / "landing", ANN, BOB)
    shutil.copytree(root / "landing", root / "old")
    ran = ecom("run", "--events", root / "landing", *PUBLISHED, home=root / "home")
    assert ran.exit_code == 0, ran.err
    assert files_with(ANN, root / "home", root / "landing")
    keep_questions(Settings(home=root / "home"))
    leave_collected(root / "home")
    with pytest.MonkeyPatch.context() as patch:
        compute_only_what_was_made(patch)
        result = ecom("erase", "--visitor", ANN, "--yes", "--json", home=root / "home")
    assert result.exit_code == 0, result.err
    (root / "said.json").write_text(result.out)
    return root


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a shop that never had Ann."""
    root = tmp_path_factory.mktemp("reference")
    landed = land(root / "landing", BOB)
    assert ecom("run", "--events", landed, *PUBLISHED, home=root / "home").exit_code == 0
    return root


def rows_of(home: Path) -> dict[str, tuple[int, int]]:
    """Return the content of every table, but for the path that rows came from."""
    return {
        name: content
        for name, content in contents(home / "warehouse.duckdb").items()
        if not name.startswith("raw.")
    }


@pytest.mark.slow
def test_every_table_is_that_of_a_shop_that_never_had_her(shop: Path, reference: Path) -> None:
    assert rows_of(shop / "home") == rows_of(reference / "home")
    assert query(shop / "home", "SELECT count(*) FROM raw.events") == [(12,)], (
        "four events of Bob's a day"
    )
    for day in DAYS:
        landed = f"landing/received_date={day}/events.csv"
        assert (shop / landed).read_bytes() == (reference / landed).read_bytes()


@pytest.mark.slow
def test_her_id_is_in_the_bytes_of_no_file(shop: Path) -> None:
    assert files_with(ANN, shop / "home", shop / "landing") == []
    assert list(segments_folder(shop / "home").glob("*/*")) == [], (
        "what was collected has landed before"
    )
    assert files_with(BOB, shop / "home"), "the same search finds Bob"
    for _ in range(2):  # looking for her leaves nothing of her either
        verified = ecom("erase", "--visitor", ANN, "--verify", home=shop / "home")
        assert verified.out == "Nothing of the person is left.\n"
    assert ecom("erase", "--visitor", BOB, "--verify", home=shop / "home").exit_code == 1


@pytest.mark.slow
def test_the_receipt_says_what_was_removed_where_and_names_nobody(shop: Path) -> None:
    result = json.loads((shop / "said.json").read_text())
    receipt = json.loads(Path(result["receipt"]).read_text())
    of_answer = {"receipt", "known_as"}  # who stays is named in the answer only
    assert receipt == {name: value for name, value in result.items() if name not in of_answer}
    assert (result["known_as"], receipt["known_as_kept"]) == ([], [])
    assert receipt["removed"]["tables"]["raw.events"] == 12
    assert [file["record_count"] for file in receipt["removed"]["files"]] == [
        4,
        4,
        1,
        4,
    ]  # one was collected
    assert receipt["verified"]["left"] == {"tables": {}, "files": {}, "other_files": []}
    assert len(receipt["hashes"]["user"]) == 1
    assert len(receipt["hashes"]["session"]) == 3


@pytest.mark.slow
def test_numbers_that_were_published_with_her_are_restated(shop: Path) -> None:
    text = (
        "SELECT before_value, after_value, cause FROM mart.restatements WHERE table_name = "
        "'mart.engagement_daily' AND column_name = 'session_count' ORDER BY restated_date"
    )
    assert query(shop / "home", text) == [(2.0, 1.0, "withdrawn_rows")] * 3


@pytest.mark.slow
def test_old_files_do_not_bring_her_back_and_are_counted(
    shop: Path, reference: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(shop / "home", home)
    again = ecom("run", "--json", "--events", shop / "old", *PUBLISHED, home=home)
    assert again.exit_code == 0, again.err
    assert rows_of(home) == rows_of(reference / "home")
    text = (
        "SELECT received_date::VARCHAR, source_table, source_file, erased_count FROM "
        "raw.erased_rows ORDER BY 1"
    )
    left_out = [(day, "raw.events", f"received_date={day}/events.csv", 4) for day in DAYS]
    assert query(home, text) == left_out
    assert files_with(ANN, home) == []


@pytest.mark.slow
def test_erasing_twice_is_erasing_once(shop: Path) -> None:
    before = contents(shop / "home" / "warehouse.duckdb")
    again = ecom("erase", "--visitor", ANN, "--yes", home=shop / "home")
    assert (again.exit_code, again.out.splitlines()[0]) == (0, "Nothing was found of:")
    assert contents(shop / "home" / "warehouse.duckdb") == before


@pytest.mark.slow
def test_it_asks_before_it_acts(tmp_path: Path) -> None:
    land(tmp_path / "landing", ANN)
    ecom(
        "run",
        "--events",
        tmp_path / "landing",
        "--select",
        '+key:"staging/events"',
        home=tmp_path / "home",
    )
    refused = ecom("erase", "--visitor", ANN, home=tmp_path / "home")
    assert refused.exit_code == 2
    assert refused.sentence == "Erasing cannot be undone; confirm with --yes."
    shown = ecom("erase", "--visitor", ANN, "--dry-run", "--json", home=tmp_path / "home").json[
        "found"
    ]
    # On each day, her session has a link to nobody, by its first page view, and one to her.
    assert shown["tables"] == {"raw.events": 12, "staging.events": 12, "staging.identity_links": 6}
    assert files_with(ANN, tmp_path / "landing"), "nothing was removed"


@pytest.mark.slow
def test_files_of_another_layout_are_read_as_the_last_run_read_them(
    tmp_path: Path, home: Path
) -> None:
    own, mapping = tmp_path / "own.csv", tmp_path / "own.yaml"
    own.write_text("at,who,what\n2026-01-01 10:00:00,ann,look\n2026-01-01 11:00:00,bob,look\n")
    fields = "event_id: {hash_of: [at, who]}, user_id: who, event_type: what, event_timestamp: at"
    mapping.write_text(f"fields: {{{fields}}}\n")
    assert (
        ecom("run", "--events", own, "--events-mapping", mapping, *FEW_TABLES, home=home).exit_code
        == 0
    )
    erased = ecom("erase", "--visitor", "ann", "--yes", home=home)
    assert erased.exit_code == 0, erased.err
    assert own.read_text() == "at,who,what\n2026-01-01 11:00:00,bob,look\n"


def test_somebody_must_be_named(home: Path) -> None:
    result: CommandResult = ecom("erase", "--yes", home=home)
    assert result.exit_code == 2
    assert (
        result.sentence == "Nobody is named; give --visitor ID or --customer ID, as in the tables."
    )


def test_without_a_warehouse_there_is_nothing_to_erase(home: Path) -> None:
    assert "There is no warehouse at" in ecom("erase", "--visitor", ANN, home=home).sentence


@pytest.mark.slow
def test_a_day_on_which_nobody_else_came_is_computed_again_too(tmp_path: Path) -> None:
    """Raw has no row of the day any more, and it still is a day that was loaded."""
    home, alone = tmp_path / "home", f"received_date={DAYS[1]}"
    land(tmp_path / "landing", BOB)
    shutil.rmtree(tmp_path / "landing" / alone)
    shutil.copytree(land(tmp_path / "hers", ANN) / alone, tmp_path / "landing" / alone)
    assert ecom("run", "--events", tmp_path / "landing", *FEW_TABLES, home=home).exit_code == 0
    days = "SELECT DISTINCT event_date::VARCHAR FROM mart.session_days ORDER BY ALL"
    assert query(home, days) == [(day,) for day in DAYS]
    result = ecom("erase", "--visitor", ANN, "--yes", home=home)
    assert result.exit_code == 0, result.err
    assert query(home, days) == [(DAYS[0],), (DAYS[2],)]
    assert query(
        home, f"SELECT count(*) FROM mart.engagement_daily WHERE event_date = '{DAYS[1]}'"
    ) == [(0,)]


@pytest.mark.slow
def test_saved_questions_about_her_are_masked_in_every_version_and_the_receipt_names_them(
    shop: Path,
) -> None:
    receipt = json.loads((shop / "said.json").read_text())
    store = BoardStore(Settings(home=shop / "home"))
    everybody, hers = sorted(
        store.newest(SavedQuestion), key=lambda version: version.slug != "everybody"
    )
    assert everybody.item.name == "Everybody"
    assert hers.slug.startswith("erased-")
    assert [
        version.content["definition"]["where"][0]["value"] == BOB
        for version in store.versions(SavedQuestion, hers.slug)
    ] == [False, True]
    hers.item.check()
    (note,) = [note for note in receipt["to_confirm"] if "masked in all versions" in note]
    assert note.startswith(f"questions/{hers.slug} had an id of the person")

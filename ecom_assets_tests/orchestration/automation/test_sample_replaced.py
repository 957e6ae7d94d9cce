"""The shop's own data take the place of the simulated shop: what was found in it and asked about it
goes, what people keep stays, and pages say what they show until the own shop is published.
"""

from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import pytest

from ecom_assets.core.operations.requests import RELEASE, SAMPLE, OperationsStore, Requests
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.owner import OWN, SIMULATED, note_owner
from ecom_assets.ingestion.sources.presence import owner_of
from ecom_assets.ingestion.uploads.asking import ask_load, waiting_requests
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.interfaces.boards.incidents import IncidentLog
from ecom_assets.interfaces.boards.model import SavedQuestion
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.orchestration.automation import upload_runs
from ecom_assets.orchestration.automation.upload_runs import RunEnd, UploadRun
from ecom_assets.orchestration.empty_home import emptied
from ecom_assets.outputs.serving.places import mark_sample, serving_folder, shows_sample
from ecom_assets_tests.command import FEW_SALES, ecom
from ecom_assets_tests.ingestion.uploads.shop_exports import WEEK_1, chosen, export, settings_of

DAY = date(2026, 3, 2)


@pytest.fixture
def sample_home(tmp_path: Path) -> Path:
    """A home that shows the simulated shop, with an incident, a request and a question."""
    home = tmp_path / "home"
    settings = Settings(home=home)
    settings.sandbox_folder.mkdir(parents=True)
    (settings.sandbox_folder / "truth.json").write_text('{"settings": {}}')
    with closing(new_engine(settings).open()) as engine:
        note_owner(engine, SIMULATED)
    serving_folder(settings.home).mkdir()
    mark_sample(settings)
    IncidentLog(settings).record(
        "sales", [(datetime.fromisoformat("2026-03-02"), {"title": "x"})], "Fell."
    )
    Requests(home).make(RELEASE, "orders", (DAY, DAY), "ann")
    with OperationsStore(home).writing() as con:
        con.execute(
            "INSERT INTO checks VALUES ('raw.events', 'rows', 0, 0, '', 'Failed.', NULL, NULL, "
            "'[]', '2026-03-02T00:00:00', '2026-03-02T00:00:00', 'a-run')"
        )
    definition = {"steps": ["page_view", "purchase"]}
    saved = {"name": "Funnel", "kind": "funnel", "definition": definition}
    BoardStore(settings).save("funnel", SavedQuestion.from_mapping(saved), 0, "ann")
    return home


def checks_of_sample(home: Path) -> int:
    return len(OperationsStore(home).rows("SELECT * FROM checks WHERE run_id = 'a-run'"))


def owner(home: Path) -> str:
    settings = settings_of(home)
    with closing(new_engine(settings).open()) as engine:
        return owner_of(engine, settings)


@pytest.mark.slow
def test_what_was_found_in_the_simulated_shop_goes_and_what_people_keep_stays(
    sample_home: Path, tmp_path: Path
) -> None:
    home, settings = sample_home, Settings(home=sample_home)
    assert shows_sample(settings)
    assert checks_of_sample(home) == 1
    Requests(home).make(SAMPLE, SAMPLE, (DAY, DAY), "ann")
    file = export(tmp_path / "orders.csv", WEEK_1)
    ran = ecom("run", "--orders", file, "--orders-mapping", "shopify", *FEW_SALES, home=home)
    assert ran.exit_code == 0, ran.err
    assert owner(home) == OWN
    assert IncidentLog(settings).incidents() == []
    assert [request.kind for request in Requests(home).waiting()] == [SAMPLE]
    assert checks_of_sample(home) == 0, "those of this run are there"
    assert len(BoardStore(settings).newest(SavedQuestion)) == 1
    # Nothing was published by these tables: what pages show is the simulated shop still.
    assert shows_sample(settings)
    mark_sample(settings.model_copy(update={"orders": str(file)}))
    assert not shows_sample(settings), "though the files of the simulated shop are there still"


@pytest.mark.slow
def test_a_first_file_that_is_not_loaded_leaves_the_simulated_shop(
    sample_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []

    def ended(_settings: Settings, options: object) -> RunEnd:
        begun.append(options)
        return RunEnd(is_published=True)

    monkeypatch.setattr(upload_runs, "command_ended", ended)
    ask_load(sample_home, chosen(sample_home, export(tmp_path / "a.csv", WEEK_1)), "ann")
    refused = RunEnd(is_published=False, sentence="The files are refused.")
    run = UploadRun(sample_home, "a-run", lambda *_days: refused, emptied)
    assert run.do(waiting_requests(sample_home)) == ["The files are refused."]
    # The run had not begun to write: the tables are there still.
    assert (owner(sample_home), begun) == (SIMULATED, [])
    assert shows_sample(Settings(home=sample_home))

    def half_written(settings: Settings, _first: date, _last: date | None) -> RunEnd:
        with closing(new_engine(settings).open()) as engine:
            note_owner(engine, OWN)
        return refused

    ask_load(sample_home, Uploads(sample_home).numbered(1), "ann")
    run = UploadRun(sample_home, "a-run", half_written, emptied)
    assert run.do(waiting_requests(sample_home)) == ["The files are refused."]
    assert begun == [[]], "the simulated shop's tables are made again"
    assert shows_sample(Settings(home=sample_home)), "and shown meanwhile"

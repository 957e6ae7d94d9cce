"""Files of a few kilobytes that would take gigabytes are looked at and loaded with a sentence, in
less than 1 GB for the API, which takes 300 MB itself, and its children together; and what comes
after them is read.
"""

import re
from pathlib import Path

import pytest

import ecom_assets
from ecom_assets.cli.init_files import looked_at
from ecom_assets.core.errors import SourceError
from ecom_assets.core.reading_child import ReadingLimits, start_server
from ecom_assets.core.settings.uploaded import rows_folder
from ecom_assets.ingestion.uploads import look as looks
from ecom_assets.ingestion.uploads.landed import land
from ecom_assets.ingestion.uploads.look import look_in_child
from ecom_assets.ingestion.uploads.store import MAPPINGS, Upload, Uploads
from ecom_assets_tests.ingestion.sources.bound_files import BOUND_FILES, far_cell
from ecom_assets_tests.ingestion.uploads.shop_exports import WEEK_1, export, sent, settings_of
from ecom_assets_tests.memory_of_processes import peak_memory

MOST_MB = 700


@pytest.fixture(scope="module", autouse=True)
def _server() -> None:
    start_server("ecom_assets.ingestion.uploads.look")


def to_load(home: Path, path: Path) -> Upload:
    """Send a file, and say that it is orders in the platform's own layout."""
    uploads, upload = Uploads(home), sent(home, path)
    (uploads.folder / MAPPINGS).mkdir(exist_ok=True)
    (uploads.folder / MAPPINGS / "own.yaml").write_text("extends: user_order_log\n")
    return uploads.choose(upload, kind="orders", mapping="own", answers={})


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOUND_FILES)
def test_a_look_at_a_file_that_would_take_gigabytes_says_what_it_has(
    kind: str, tmp_path: Path
) -> None:
    path = BOUND_FILES[kind](tmp_path)
    home = tmp_path / "home"
    with peak_memory() as peak:
        look = look_in_child(Uploads(home), sent(home, path), settings_of(home))
    assert path.name in look.refusal
    assert "more than can be read here" in look.refusal
    assert peak.mb < MOST_MB


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOUND_FILES)
def test_a_load_of_a_file_that_would_take_gigabytes_lands_nothing(
    kind: str, tmp_path: Path
) -> None:
    path = BOUND_FILES[kind](tmp_path)
    home = tmp_path / "home"
    upload = to_load(home, path)
    with peak_memory() as peak, pytest.raises(SourceError, match=f"{path.name} has .*than can be"):
        land(Uploads(home), upload, settings_of(home))
    assert not list(rows_folder(home, "orders").rglob("*.parquet"))
    assert peak.mb < MOST_MB


def test_a_look_that_takes_too_much_is_refused_and_the_next_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    upload = sent(home, export(tmp_path / "заказы за март.csv", WEEK_1))
    monkeypatch.setattr(looks, "LARGE_LOOK", ReadingLimits(memory_mb=5, cpu_s=60, time_s=60))
    look = look_in_child(Uploads(home), upload, settings_of(home))
    assert look.refusal.startswith("заказы за март.csv takes more than 5 MB of memory to read")
    monkeypatch.undo()
    look = look_in_child(Uploads(home), upload, settings_of(home))
    assert (look.kind, look.rows["counted"]) == ("orders", 3)


@pytest.mark.slow
def test_init_leaves_a_file_out_that_would_take_gigabytes_and_looks_at_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [far_cell(tmp_path), export(tmp_path / "orders.csv", WEEK_1)]
    with peak_memory() as peak:
        (look,) = looked_at(settings_of(tmp_path / "home"), paths)
    assert (look.upload.name, look.rows["counted"]) == ("orders.csv", 3)
    assert (
        "far.xlsx is left out: far.xlsx has cells as far as row 100,000" in capsys.readouterr().out
    )
    assert peak.mb < MOST_MB


def test_nothing_but_a_child_looks_at_a_file() -> None:
    calls = {"look_at(": set[str](), "CalamineWorkbook.from": set[str]()}
    for path in Path(ecom_assets.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for call, names in calls.items():
            if re.search(rf"(?<![\w.])(?<!def ){re.escape(call)}", text):
                names.add(path.name)
    assert calls["look_at("] <= {"looking.py"}, "in `look_and_keep`, which a child runs"
    assert calls["CalamineWorkbook.from"] <= {"workbooks.py", "sample_files.py", "file_search.py"}

"""The logs of `ecom ui`, older files too: an erasure takes out the lines that name a person, and
what is printed after it goes into the log that is left.
"""

from pathlib import Path

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.ui.rotated_log import RotatedLog
from ecom_assets.orchestration.privacy.other_files import clean, naming
from ecom_assets.orchestration.privacy.person import Person

ANN = Person(users=("ann-4711",))


@pytest.mark.parametrize("name", ["api.log", "collector.log", "dagster.log", "sandbox.log"])
def test_lines_that_name_a_person_are_taken_out_of_the_log_and_of_its_older_files(
    tmp_path: Path, name: str
) -> None:
    settings = Settings(home=tmp_path)
    log = RotatedLog(tmp_path / name, largest_bytes=60)
    for line in ("ann-4711 came first\n", "bob-4712 came, too\n", "ann-4711 again\n", "eve\n"):
        log.write(line.encode() * 2)
    kept = BoardStore(settings)
    found = {Path(path).name for path in naming(settings, ANN, kept).cleaned}
    assert found == {f"{name}.2", name}
    clean(settings, ANN, kept)
    log.write(b"after\n")
    log.close()
    assert naming(settings, ANN, kept).cleaned == []
    lines = "".join(path.read_text() for path in sorted(tmp_path.glob(f"{name}*"), reverse=True))
    assert sorted(set(lines.split("\n")) - {""}) == ["after", "bob-4712 came, too", "eve"]

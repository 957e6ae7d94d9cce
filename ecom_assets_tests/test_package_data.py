"""The files beside the code that an installed package needs: all of them are declared."""

from configparser import ConfigParser
from pathlib import Path
from typing import Final

import pytest

from ecom_assets_tests.markdown import ROOT

ONLY_TO_BUILD: Final = {"ecom_assets/interfaces/dashboard/vendored"}
"""The folders from which files in other ones are built."""


def files_beside_code(package: Path) -> set[Path]:
    """Return the files of a package that are no code, and that it reads when it runs."""
    return {
        path
        for path in package.rglob("*")
        if path.is_file()
        and path.suffix not in {".py", ".pyc"}
        and path.name != "README.md"
        and path.parent.relative_to(ROOT).as_posix() not in ONLY_TO_BUILD
    }


@pytest.mark.parametrize("package", ["ecom_assets", "ecom_sandbox"])
def test_every_file_beside_the_code_is_installed(package: str) -> None:
    declared = ConfigParser()
    declared.read(ROOT / "setup.cfg", encoding="utf-8")
    patterns = declared["options.package_data"][package].split(",")
    installed = {path for each in patterns for path in (ROOT / package).glob(each.strip())}
    needed = files_beside_code(ROOT / package)
    assert len(needed) > 1
    assert needed - installed == set()

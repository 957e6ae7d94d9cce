"""The lines with curl in README and docs/api.md, run as they are written,
against a server on another port.
"""

import json
import re
import shutil
import subprocess

from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.markdown import ROOT
from ecom_assets_tests.patience import PATIENCE_S

PAGES = ("README.md", "docs/api.md")
SHOWN = "http://127.0.0.1:8000"


def shown() -> list[str]:
    """Every line with curl, with those that it goes on in."""
    pages = [(ROOT / page).read_text(encoding="utf-8") for page in PAGES]
    blocks = [
        block
        for page in pages
        for block in re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    ]
    parts = [
        part for block in blocks for part in re.split(r"^(?=curl )", block, flags=re.MULTILINE)
    ]
    return [part for part in parts if part.startswith("curl ")]


def test_there_are_lines_in_both() -> None:
    assert len(shown()) > 10
    assert shutil.which("curl"), "install curl"


@each("line", shown())
def test_a_line_answers_as_it_is_written(api: Api, line: str) -> None:
    assert SHOWN in line
    command = line.replace(SHOWN, api.address).replace(
        "curl ", "curl --silent --fail-with-body --max-time 60 ", 1
    )
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stdout
    head, _, body = done.stdout.rpartition("\n\n") if " -i " in line else ("", "", done.stdout)
    if "format=csv" in line:
        assert {"product_id", "revenue_amount"} <= set(body.splitlines()[0].split(","))
        return
    assert json.loads(body)["data_as_of"] == "2026-02-09"
    assert ("etag: w/" in head.lower()) == (" -i " in line)

"""Subscriptions sent by the page, counted, a person erased, and all taken back: run by
`test_recipes.py` in a copy of the package that has the recipe.
"""

import json
import re
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
from fastapi.testclient import TestClient

from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.settings.uploaded import choose_shop
from ecom_assets.ingestion.sources.home_notes import remembered_paths
from ecom_assets.ingestion.uploads.asking import waiting_requests
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.orchestration.automation.upload_runs import RunEnd, UploadRun
from ecom_assets.orchestration.empty_home import emptied
from ecom_assets_tests.command import ecom

ADDRESS: Final = "http://127.0.0.1"
KIND: Final = "subscriptions"
TABLES: Final = (
    "raw.subscriptions",
    "staging.subscriptions",
    "staging.quarantined_subscriptions",
)
SELECTED: Final = " or ".join(f'key:"{name.replace(".", "/")}"' for name in TABLES)


def run(settings: Settings, first: date, last: date | None) -> RunEnd:
    """Compute the tables of subscriptions, of uploads and of the files that a run has read."""
    days = ("--from", str(first), "--to", str(last))
    env = remembered_paths(settings)
    done = ecom("run", *days, "--select", SELECTED, home=settings.home, env=env)
    return RunEnd(done.exit_code == 0, done.err)


def stored(home: Path) -> list[Any]:
    """Return how many rows each table has, and who has which plan."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        counts = [con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in TABLES]
        plans = con.execute(
            "SELECT customer_id, plan, monthly_amount::VARCHAR FROM staging.subscriptions "
            "ORDER BY 1"
        ).fetchall()
        return [counts, plans]


class Page:
    """The page of uploads, and the runs that do what it asks for."""

    def __init__(self, home: Path, client: TestClient) -> None:
        """Open the page."""
        self._home, self._client = home, client
        page = client.get("/dashboard/mapping").text
        self._token = re.findall(r'name="token" value="([^"]+)"', page)[0]

    def send(self, file: Path) -> str:
        """Send a file as the page's script does, and return its id."""
        headers = {"x-form-token": self._token, "x-file-name": file.name, "origin": ADDRESS}
        address = "/dashboard/mapping/upload"
        answer = self._client.post(address, content=file.read_bytes(), headers=headers)
        return str(answer.json()["id"])

    def post(self, path: str, **form: str) -> None:
        """Send a form of the page, and do what it asks for."""
        form["token"] = self._token
        headers = {"origin": ADDRESS}
        self._client.post(f"/dashboard{path}", data=form, headers=headers, follow_redirects=False)
        problems = UploadRun(self._home, "a-run", run, emptied).do(waiting_requests(self._home))
        assert problems == [], problems

    def shown(self, files: str) -> str:
        """Return the page about a file, once it was looked at."""
        while True:
            page = self._client.get("/dashboard/mapping-files", params={"files": files}).text
            if 'data-again-s="1"' not in page:
                return page
            time.sleep(0.2)


def main(home: Path, file: Path) -> None:
    """Write what there is after each step as JSON beside the file."""
    choose_shop(home, {"timezone": "UTC", "currency": "EUR"})
    settings = load_settings(home=home)
    with TestClient(build_dashboard_app(settings), base_url=ADDRESS) as client:
        page = Page(home, client)
        files = page.send(file)
        [upload] = Uploads(home).every()
        page.post("/mapping-files/choose", files=files, **{f"{upload.number}.kind": KIND})
        assert "Subscriptions" in page.shown(files)
        page.post("/mapping-files/load", files=files)
        steps = {"loaded": stored(home)}
        erased = ecom("erase", "--customer", "eve", "--yes", home=home)
        assert erased.exit_code == 0, erased.err
        steps["erased"] = stored(home)
        with duckdb.connect() as con:
            landed = f"read_parquet('{home}/uploads/{KIND}/*/*/*.parquet')"
            steps["landed"] = con.execute(f"SELECT customer_id FROM {landed}").fetchall()
        page.post("/mapping/undo", upload=files)
        steps["undone"] = stored(home)
    file.with_suffix(".json").write_text(json.dumps(steps), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

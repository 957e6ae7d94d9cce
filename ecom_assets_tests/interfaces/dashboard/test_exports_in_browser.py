"""Exports by the browser, one of each kind and a share of all: from the dropped file to a page with
its revenue or its funnel, with at most three screens in between, on which only what is open is
touched.

Each is loaded into an empty home by the tables of its page alone; `test_uploads_in_browser` loads
with all tables.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import rate_name
from ecom_assets.ingestion.uploads.asking import waiting_requests
from ecom_assets.ingestion.uploads.store import Upload, Uploads
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets.interfaces.dashboard.formats import money
from ecom_assets.interfaces.dashboard.looking import LOOKS
from ecom_assets.orchestration.automation.upload_runs import Run, RunEnd, UploadRun
from ecom_assets.orchestration.empty_home import emptied
from ecom_assets_tests.command import ecom
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.ingestion.uploads.exports import ZONE, Export
from ecom_assets_tests.ingestion.uploads.shop_exports import settings_of
from ecom_assets_tests.ingestion.uploads.test_exports import EVERY
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.test_browser import browser as browser  # noqa: PLC0414 (the fixture, for this file too)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    # Filters of warnings are those of the whole process: a run in a thread loses its own whenever
    # the server's thread restores the ones that it had.
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
]
PATIENCE_MS = 300_000
TABLES = {
    "orders": '+key:"mart/revenue_daily" or key:"serving/marts"',
    "events": '+key:"mart/engagement_daily" or +key:"mart/event_accounting_daily" or '
    'key:"serving/marts"',
}
"""Words by which a run makes the tables of a page alone, and publishes them."""
LOADED = {
    name: export
    for name, export in EVERY.items()
    if not export.refusal and (export.kind == "orders" or export.funnel)
}
ONE_OF_EACH = {
    (export.kind, export.kind_is_set, *sorted(export.asks), *export.rates): name
    for name, export in LOADED.items()
}
"""By what a person sees on the way, an export: the fields of the page differ by nothing else. What
each export comes to by the same choices is in `ingestion/uploads/test_exports.py`.
"""
MOST_SCREENS = 3


def run_tables(kind: str) -> Run:
    """Return what computes the days of an upload in this process, by few tables.

    In a thread: the browser's event loop runs in this one, and a run begins its own.
    """

    def run(settings: Settings, first: date, last: date | None) -> RunEnd:
        asked = ("--from", str(first), "--to", str(last), "--json", "--select", TABLES[kind])
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(ecom, "run", *asked, home=settings.home).result()
        return RunEnd(done.exit_code == 0, done.err)

    return run


@dataclass
class Visit:
    """Somebody who brings an export in, and the screens that they have seen on the way."""

    page: Page
    home: Path
    address: str
    export: Export
    screens: int = 0

    def drop(self, paths: list[str]) -> None:
        """Drop files on the field of the first page, and wait until they were looked at."""
        self.page.goto(f"{self.address}/dashboard/")
        self.page.locator("input[type=file]").set_input_files(paths)
        self.page.wait_for_url("**/mapping-files?**")
        self._looked()

    def _looked(self) -> None:
        expect(self.page.locator(".look-form")).to_be_visible(timeout=PATIENCE_MS)
        self.screens += 1

    def uploads(self) -> list[Upload]:
        """Return the files, the first one first."""
        return list(reversed(Uploads(self.home).every()))

    def say_kind(self) -> None:
        """Say what each file is, where the page takes it for something else: it asks anew."""
        for upload in self.uploads():
            kind = self.page.locator(f'[name="{upload.number}.kind"]')
            if kind.input_value() != self.export.kind:
                with self.page.expect_navigation():
                    kind.select_option(self.export.kind)
                expect(self.page.locator(".look-form")).to_be_visible(timeout=PATIENCE_MS)

    def answer(self) -> None:
        """Answer what is open, and what the export is said to be besides, by choices alone."""
        said = {**self.export.asks, **self.export.says}
        for upload in self.uploads():
            look = LOOKS.of(settings_of(self.home), upload)  # the one that the page shows
            assert look is not None
            for question in look.questions:
                word = said.get(question.subject or question.key)
                if word and question.key != ZONE:
                    self.choose(f"{upload.number}.{question.key}", word)
        self.choose("shop.timezone", self.export.zone)
        self.choose("shop.currency", self.export.currency)
        for name, rate in self.export.rates.items():
            field = f"shop.{rate_name(self.export.currency, name)}"
            self.page.locator(f'[name="{field}"]').fill(rate)

    def choose(self, name: str, value: str) -> None:
        """Choose a value of a field; those that may stay lie in a part that is closed."""
        self.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        field = self.page.locator(f'[name="{name}"]').first
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            self.page.locator(f'[name="{name}"][value="{value}"]').check()

    def go_on(self) -> None:
        """Press Continue, or what shows a change, and wait until the files were looked at."""
        self.page.locator(".look-form .go button").first.click()
        self.page.wait_for_load_state()
        self._looked()

    def load(self) -> None:
        """Press Load it, do what the sensor's job does, and go on to the shop's pages."""
        self.page.get_by_role("button", name="Load it").click()
        self.page.wait_for_url("**/mapping-progress?**")
        self.screens += 1
        run = UploadRun(self.home, "a-run", run_tables(self.export.kind), emptied)
        assert run.do(waiting_requests(self.home)) == []
        self.page.get_by_role("link", name="See your shop").click(timeout=PATIENCE_MS)

    def see(self, path: str, **choices: str) -> None:
        """Open a page of numbers."""
        self.page.goto(f"{self.address}/dashboard/{path}?{urlencode(choices)}")


@contextmanager
def visiting(browser: Browser, home: Path, export: Export) -> Iterator[Visit]:
    with served(build_dashboard_stack(Settings(home=home))) as answer:  # type: ignore[arg-type]  # any ASGI application
        page = browser.new_page(viewport={"width": 1440, "height": 900}, timezone_id="UTC")
        page.set_default_timeout(PATIENCE_MS)
        yield Visit(page, home, answer.address, export)
        page.close()


@pytest.mark.parametrize(
    "name", sorted({*ONE_OF_EACH.values(), *(list(LOADED)[n] for n in seeds(range(len(LOADED))))})
)
def test_an_export_comes_in_with_three_screens(browser: Browser, tmp_path: Path, name: str) -> None:
    export, folder = EVERY[name], tmp_path / "files"
    folder.mkdir()
    paths = [str(path) for path in export.files(folder)]
    home = tmp_path / "home"
    with visiting(browser, home, export) as visit:
        visit.drop(paths)
        if export.kind_is_set:
            visit.say_kind()
        visit.answer()
        visit.go_on()
        visit.load()
        assert visit.screens <= MOST_SCREENS
        loaded = visit.uploads()
        assert [upload.state for upload in loaded] == ["loaded"] * len(paths)
        first = min(upload.first_day for upload in loaded if upload.first_day)
        last = max(upload.last_day for upload in loaded if upload.last_day)
        if export.kind == "orders":
            days = {"start_date": str(first), "end_date": str(last)}
            visit.see("overview", time_range="custom", **days)
            amount = money(export.revenue, export.currency)
            expect(visit.page.locator("main")).to_contain_text(amount)
            return
        steps = {f"step{number}": step for number, (step, _) in enumerate(export.funnel, 1)}
        visit.see("funnel", **steps, start_date=str(first), end_date=str(last))
        counts = visit.page.locator(".funnel .step-count")
        for place, (_, count) in enumerate(export.funnel):
            expect(counts.nth(place)).to_contain_text(f"{count} ")

"""Who sees and changes uploads: an admin, two writers, a reader and a stranger, at every route of
uploads. All but the stranger send a key with each request, so that no login tells them apart.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq
import pytest
import requests
from pydantic import SecretStr
from starlette.routing import Mount, Route

from ecom_assets.core.operations.requests import SHOP, Requests
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import choose_shop, chosen_rates, shop_choices
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.ingestion.sources.record_feed import feeds
from ecom_assets.ingestion.uploads.asking import ask_load
from ecom_assets.ingestion.uploads.look import Chosen, keep_choices, look_at
from ecom_assets.ingestion.uploads.sight import NOT_SAID
from ecom_assets.ingestion.uploads.store import Upload, Uploads
from ecom_assets.interfaces.dashboard.app import build_dashboard_app, build_dashboard_stack
from ecom_assets_tests.ingestion.uploads.lists import COSTS_1, CUSTOMERS_1, MAPPINGS, written
from ecom_assets_tests.ingestion.uploads.shop_exports import (
    WEEK_1,
    WEEK_3,
    export,
    sent,
    settings_of,
)
from ecom_assets_tests.ingestion.uploads.test_ad_spend_uploads import ANSWERS, GOOGLE
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.html import read
from ecom_assets_tests.orchestration.automation.test_upload_changes import Runs
from ecom_assets_tests.patience import PATIENCE_S

# One process loads the four files, and opens the site for all.
pytestmark = pytest.mark.xdist_group("upload_callers")
KEYS: Final = {
    "admin": ("admin", "a-key-that-may-do-everything"),
    "writer": ("read+write", "a-key-of-the-writer-ann"),
    "other writer": ("read+write", "a-key-of-the-writer-bob"),
    "reader": ("read", "a-key-that-only-reads-pages"),
    "analyst": ("read+write+personal", "a-key-that-may-see-people"),
    "controller": ("read+write+costs", "a-key-that-may-see-costs"),
}
"""The keys of `ECOM_API_KEYS`, in order: their callers are `setting:1` to `setting:6`."""
STRANGER: Final = "stranger"
PEOPLE: Final = ("c1001@shop.example", "ann@shop.example", "Abel", "Graz")
"""Of the loaded lists of customers and orders."""
COSTS: Final = ("30.5", "30,5", "1,234.50", "1,254.50", "1254.5")
"""Of the loaded costs and report of ads, which come to 1,254.50."""
UNLOADED: Final = ("of_ann.csv", "c1005@shop.example")
"""Of the file that the writer has sent, and nobody loaded."""
RULES: Final = {
    ("GET", "/mapping"): "read",
    ("GET", "/mapping-files"): "read",
    ("GET", "/mapping-compare"): "read",
    ("GET", "/mapping-progress"): "read",
    ("GET", "/mapping-shop"): "read",
    ("GET", "/mapping-costs"): "costs",
    ("GET", "/mapping-lists"): "read",
    ("POST", "/mapping/upload"): "write",
    ("POST", "/mapping/delete"): "write",
    ("POST", "/mapping/undo"): "admin",
    ("POST", "/mapping/sample"): "admin",
    ("POST", "/mapping-files/choose"): "write",
    ("POST", "/mapping-files/load"): "admin",
    ("POST", "/mapping-shop/change"): "admin",
    ("POST", "/mapping-costs/change"): "admin",
    ("POST", "/mapping-costs/restore"): "admin",
    ("POST", "/mapping-lists/use"): "admin",
    ("POST", "/mapping-lists/again"): "admin",
}
"""The scope that each route of uploads needs."""
MAY: Final = {
    "read": set(KEYS),
    "write": set(KEYS) - {"reader"},
    "costs": {"admin", "controller"},
    "admin": {"admin"},
}


def routes_of_uploads(home: Path) -> set[tuple[str, str]]:
    """Return the routes of uploads of the app, each with its method."""
    app = build_dashboard_app(Settings(home=home))
    mount = next(
        route for route in app.routes if isinstance(route, Mount) and route.name == "dashboard"
    )
    return {
        (method, route.path)
        for route in mount.routes
        if isinstance(route, Route) and route.path.startswith("/mapping")
        for method in (route.methods or ())
        if method != "HEAD"
    }


def test_each_route_of_uploads_has_a_rule(tmp_path: Path) -> None:
    assert routes_of_uploads(tmp_path) == RULES.keys()


@dataclass
class Site:
    """A dashboard over a home with four loaded files, and one that the writer has sent."""

    home: Path
    address: str

    @property
    def uploads(self) -> Uploads:
        """Return its list of uploads."""
        return Uploads(self.home)

    def get(self, who: str, path: str, **query: str) -> requests.Response:
        """Open a page, and wait until what it shows is looked at."""
        while True:
            answer = requests.get(
                f"{self.address}/dashboard{path}",
                params=query,
                headers=key_of(who),
                allow_redirects=False,
                timeout=PATIENCE_S,
            )
            if 'data-again-s="1"' not in answer.text:
                return answer
            time.sleep(0.2)

    def post(self, who: str, path: str, **form: str) -> requests.Response:
        """Send a form of a page, with the token of the caller's own pages."""
        return requests.post(
            f"{self.address}/dashboard{path}",
            data={"token": self.token, **form},
            headers={**key_of(who), "origin": self.address},
            allow_redirects=False,
            timeout=PATIENCE_S,
        )

    @cached_property
    def token(self) -> str:
        """Return the token of forms, which is one for all that send a key with each request."""
        page = read(self.get("writer", "/mapping").text)
        fields = [one for one in page.all("input") if one.attributes.get("name") == "token"]
        return str(fields[0].attributes["value"])

    def ids(self, *numbers: int) -> str:
        """Return uploads as addresses name them."""
        return ",".join(self.uploads.numbered(number).id for number in numbers)


def key_of(who: str) -> Mapping[str, str]:
    return {} if who == STRANGER else {"authorization": f"Bearer {KEYS[who][1]}"}


def name_of(who: str) -> str:
    return f"setting:{list(KEYS).index(who) + 1}"


def kept_as(home: Path, path: Path, kind: str, owner: str) -> Upload:
    """Send a file, and note how one of its kind is read."""
    name = f"{kind}-own"
    written(home / "uploads" / "mappings" / f"{name}.yaml", MAPPINGS[kind])
    upload = sent(home, path, owner)
    return Uploads(home).choose(upload, kind=kind, mapping=name, answers={})


ORDERS, CUSTOMERS, PRICES, ADS, UNLOADED_NUMBER = 1, 2, 3, 4, 5
LOADED_NUMBERS: Final = (ORDERS, CUSTOMERS, PRICES, ADS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("callers")
    home = folder / "home"
    choose_shop(home, {"timezone": "UTC", "currency": "EUR"})
    ann = name_of("writer")
    orders = kept_as(home, export(folder / "orders.csv", WEEK_1), "orders", ann)
    people = kept_as(home, written(folder / "people.csv", CUSTOMERS_1), "customers", ann)
    prices = kept_as(home, written(folder / "prices.csv", COSTS_1), "costs", ann)
    ads = sent(home, written(folder / "ads.csv", GOOGLE), ann)
    look = look_at(Uploads(home), ads, settings_of(home), Chosen(answers=ANSWERS))
    for upload in (orders, people, prices, keep_choices(Uploads(home), look)):
        ask_load(home, upload, name_of("admin"))
    assert Runs(home).work_off() == []
    assert [one.state for one in Uploads(home).every()] == ["loaded"] * 4
    sent(home, export(folder / "of_ann.csv", WEEK_3), ann)
    keys = ",".join(f"{scopes}:{key}" for scopes, key in KEYS.values())
    settings = Settings(home=home, api_keys=SecretStr(keys))
    with served(build_dashboard_stack(settings)) as answer:  # type: ignore[arg-type]  # any ASGI application
        yield Site(home, answer.address)


@pytest.mark.slow
def test_each_route_is_for_those_with_its_scope(site: Site, subtests: pytest.Subtests) -> None:
    before = site.uploads.every()
    for who, ((method, path), scope) in product([*KEYS, STRANGER], RULES.items()):
        with subtests.test(f"{who}: {method} {path}"):
            if method == "GET":
                # Without files an address of the pages about files is a mistake, said on the page.
                allowed = 200 if who in MAY[scope] else 403
                status = 303 if who == STRANGER else allowed
                assert site.get(who, path).status_code == status
            elif who == STRANGER:
                assert site.post(who, path).status_code in {401, 403}
            else:
                status = 303 if who in MAY[scope] else 403
                assert site.post(who, path).status_code == status
            assert site.uploads.every() == before


def test_an_admin_is_told_of_a_file_of_which_more_is_read_by_now(site: Site) -> None:
    """Its rows were landed before Shopify's `Id` was read beside its `Name`."""
    [path, *_] = sorted((site.home / "uploads" / "orders").rglob("*.parquet"))
    as_landed = path.read_bytes()
    sentence = "By now more is read of such a file (order keys): load it again"
    try:
        pq.write_table(pq.read_table(path).drop_columns(["order_keys"]), path)
        assert sentence in site.get("admin", "/mapping").text
        assert sentence not in site.get("writer", "/mapping").text
    finally:
        path.write_bytes(as_landed)
    assert sentence not in site.get("admin", "/mapping").text


HIDDEN_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "writer": (*PEOPLE, *COSTS),
    "other writer": (*PEOPLE, *COSTS, *UNLOADED),
    "reader": (*PEOPLE, *COSTS, *UNLOADED),
    "analyst": (*COSTS, *UNLOADED),
    "controller": (*PEOPLE, *UNLOADED),
    STRANGER: (*PEOPLE, *COSTS, *UNLOADED),
}
OF_FILES: Final = {"/mapping-files", "/mapping-compare", "/mapping-progress"}
PAGES: Final = sorted(path for method, path in RULES if method == "GET")


@pytest.mark.slow
def test_no_page_shows_what_the_scopes_of_a_key_hide(site: Site, subtests: pytest.Subtests) -> None:
    """Nor in its text, nor in an address within it, such as that of a mapping."""
    files = {"files": site.ids(*LOADED_NUMBERS)}
    for who, hidden in HIDDEN_OF.items():
        with subtests.test(who):
            pages = [site.get(who, path) for path in PAGES]
            pages += [site.get(who, path, **files) for path in PAGES if path in OF_FILES]
            if who != "writer":
                pages.append(site.get(who, "/mapping-files", files=site.ids(UNLOADED_NUMBER)))
            text = "".join(page.text for page in pages)
            assert [value for value in hidden if value in text] == []
            assert all(page.status_code in {200, 303, 403, 422} for page in pages)


@pytest.mark.slow
def test_what_is_not_hidden_is_shown_by_column(site: Site) -> None:
    def shown(who: str, number: int) -> str:
        return site.get(who, "/mapping-files", files=site.ids(number)).text

    people, orders = shown("admin", CUSTOMERS), shown("writer", ORDERS)
    assert HIDDEN not in people
    assert 'action="/dashboard/mapping-files/choose"' in people
    assert "ann@shop.example" in people
    assert 'action="/dashboard/mapping-files/choose"' not in orders
    assert all(value in orders for value in (HIDDEN, "L1", "100.00"))
    assert "ann@shop.example" in shown("analyst", CUSTOMERS)
    assert "30.5" in shown("controller", PRICES)
    prices = shown("writer", PRICES)
    assert "L1" in prices
    assert HIDDEN in prices
    own = shown("writer", UNLOADED_NUMBER)
    assert "c1005@shop.example" in own, "who sends a file sees it until it is loaded"
    listed, others = (site.get(who, "/mapping").text for who in ("controller", "reader"))
    assert "1,254.50" in listed
    for kind, sees_all in (("Ad spend", False), ("Costs", False), ("Orders", True)):
        assert f"<strong>{kind}</strong> reach" in listed
        assert (f"<strong>{kind}</strong> reach" in others) is sees_all
    assert "€210.00" in site.get("reader", "/mapping").text


def test_a_sentence_that_may_quote_rows_is_for_those_who_may_see_them(site: Site) -> None:
    upload = site.uploads.numbered(ORDERS)
    site.uploads.note(upload, sentence="c1001@shop.example has no amount.")
    try:
        for path in ("/mapping", "/mapping-progress"):
            query = {"files": upload.id} if path != "/mapping" else {}
            assert ("c1001" in site.get("admin", path, **query).text) is (path == "/mapping")
            assert "c1001" not in site.get("writer", path, **query).text
        assert NOT_SAID in site.get("writer", "/mapping").text
    finally:
        site.uploads.note(upload, sentence="")


def test_a_writer_changes_nothing_of_a_loaded_file_nor_of_the_shop(site: Site) -> None:
    before, shop = site.uploads.numbered(ORDERS), shop_choices(site.home)
    rates = chosen_rates(site.home)
    form = {
        "files": site.ids(ORDERS),
        f"{ORDERS}.kind": "customers",
        "shop.week_start": "sunday",
        "shop.rate.EUR.USD": "5",
    }
    for who in ("writer", "other writer", "analyst"):
        assert site.post(who, "/mapping-files/choose", **form).status_code == 303
        site.post(who, "/mapping/delete", upload=before.id)
        site.post(
            who, "/mapping/delete", upload=site.ids(UNLOADED_NUMBER) if who != "writer" else ""
        )
    assert site.uploads.numbered(ORDERS) == before
    assert site.uploads.numbered(UNLOADED_NUMBER).state == "kept"
    assert (shop_choices(site.home), chosen_rates(site.home)) == (shop, rates)


@pytest.mark.slow
def test_what_a_writer_says_of_the_shop_holds_once_an_admin_loads_the_file(site: Site) -> None:
    """The week begins on Sunday by the file, in a home that has weeks which began on Monday."""
    files = site.ids(UNLOADED_NUMBER)
    assert "shop.week_start" in site.get("writer", "/mapping-files", files=files).text
    site.post("writer", "/mapping-files/choose", files=files, **{"shop.week_start": "sunday"})
    kept = site.uploads.numbered(UNLOADED_NUMBER)
    assert kept.shop_answers == {"week_start": "sunday"}
    assert "week_start" not in shop_choices(site.home)
    page = site.get("admin", "/mapping-files", files=files).text
    assert '<option value="sunday" selected>' in page
    assert f"said by {name_of('writer')}" in page
    assert site.post("writer", "/mapping-files/load", files=files).status_code == 403
    assert Requests(site.home).waiting(SHOP) == []
    answer = site.post("admin", "/mapping-files/load", files=files)
    assert "/mapping-progress" in answer.headers["location"]
    [asked] = Requests(site.home).waiting(SHOP)
    assert asked.subject == '{"week_start": "sunday"}', "all days are computed again by it"
    # While a run is to load it, nobody says otherwise, nor deletes it.
    loading = site.uploads.numbered(UNLOADED_NUMBER)
    assert loading.state == "loading"
    form = {"files": files, f"{UNLOADED_NUMBER}.kind": "events"}
    for who in ("writer", "admin"):
        site.post(who, "/mapping-files/choose", **form)
        site.post(who, "/mapping/delete", upload=loading.id)
    assert site.uploads.numbered(UNLOADED_NUMBER) == loading


def test_each_kind_says_which_table_has_its_columns() -> None:
    """Who may see what of a kind follows from its contract: each amount is a column of it."""
    for kind, feed in feeds().items():
        amounts = {feed.amount_column} - {""}
        assert amounts <= feed.raw.columns.keys(), kind
    for kind in ("costs", "ad_spend"):
        column = feeds()[kind].raw.columns[feeds()[kind].amount_column]
        assert column.is_cost, kind

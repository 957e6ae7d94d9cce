"""Lists of the shop that are sent by the page: looked at first, used from then on, taken back, and
only shown where a setting names another one.
"""

import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Final

import duckdb
import pytest
import requests

from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.core.settings.uploaded import (
    MOST_LISTS,
    choose_shop,
    list_in_use,
    lists_folder,
    rate_name,
    sent_lists,
)
from ecom_assets.ingestion.sources.campaign_tags import read_campaign_tags
from ecom_assets.ingestion.uploads import shop_lists
from ecom_assets.ingestion.uploads.asking import waiting_requests
from ecom_assets.ingestion.uploads.look import may_choose_rates
from ecom_assets.ingestion.uploads.shop_lists import (
    look_at_sent_list,
    use_earlier_list,
    use_list,
)
from ecom_assets.ingestion.uploads.store import LOADED, Upload, Uploads
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.orchestration.automation.upload_runs import RunEnd, UploadRun, run_days
from ecom_assets.orchestration.empty_home import emptied
from ecom_assets_tests.command import ecom
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.html import read
from ecom_assets_tests.orchestration.automation.test_upload_changes import Runs
from ecom_assets_tests.patience import PATIENCE_S, wait_until

PAGE: Final = "/dashboard/mapping-lists"
TAGS: Final = "Tag;Campaign;Platform\nspring26;Spring sale;\nspring26;Spring Meta;meta\n"
"""As a spreadsheet of another country saves it."""
RATES: Final = "date,currency,rate\n2026-03-01,USD,0.90\n2026-03-08,USD,0.92\n"


class ListPage:
    """The page of a home without data, where nobody needs a key."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = requests.Session()

    @property
    def _token(self) -> str:
        shown = self.session.get(self.address + PAGE, timeout=PATIENCE_S).text
        (token, *_) = re.findall(r'name="token" value="([^"]+)"', shown)
        return str(token)

    def text(self) -> str:
        """Return what is seen."""
        return read(self.session.get(self.address + PAGE, timeout=PATIENCE_S).text).one("main").text

    def at(self, path: str) -> str:
        """Return another page of the dashboard."""
        return self.session.get(self.address + unescape(path), timeout=PATIENCE_S).text

    def send(self, setting: str, name: str, content: str) -> str:
        """Send a file as a list, and return the page that is seen then."""
        fields = [("token", (None, self._token)), ("list", (None, setting))]
        answer = self.session.post(
            f"{self.address}/dashboard/mapping/upload",
            files=[*fields, ("file", (name, content.encode()))],
            headers={"origin": self.address},
            timeout=PATIENCE_S,
        )
        return answer.text

    def press(self, action: str, **form: str) -> str:
        """Use a button, and return what is seen then."""
        answer = self.session.post(
            f"{self.address}{PAGE}/{action}",
            data={"token": self._token, "next": PAGE, **form},
            headers={"origin": self.address},
            timeout=PATIENCE_S,
        )
        return read(answer.text).one("main").text


@contextmanager
def page_of(home: Path) -> Iterator[ListPage]:
    with served(build_dashboard_app(load_settings(home=home))) as answer:
        yield ListPage(answer.address)


def sent_file(home: Path, name: str, content: str) -> Upload:
    with Uploads(home).begin(name, "ann", most_bytes=10_000) as writer:
        writer.write(content.encode())
        return writer.finish()


def test_a_list_is_looked_at_used_and_taken_back(tmp_path: Path) -> None:
    with page_of(tmp_path) as page:
        assert page.text().count("None is in use.") == 3
        looked = page.send("campaign_tags", "our tags.csv", TAGS)
        assert "our tags.csv has 2 rows of campaign tags" in read(looked).one("main").text
        assert load_settings(home=tmp_path).campaign_tags is None, "it was only looked at"
        (upload,) = re.findall(r'name="upload" value="([^"]+)"', looked)
        assert "Saved." in page.press("use", list="campaign_tags", upload=upload)
        path = load_settings(home=tmp_path).campaign_tags
        assert path is not None
        assert [(one.tag, one.campaign) for one in read_campaign_tags(path)] == [
            ("spring26", "spring meta"),
            ("spring26", "spring sale"),
        ]
        assert path.stat().st_mode & 0o077 == 0
        assert "2 rows, by somebody on this machine, our tags.csv" in page.text()
        assert Uploads(tmp_path).every() == [], "the file waits for nothing any more"
        page.press("again", list="campaign_tags", kept="")
        assert load_settings(home=tmp_path).campaign_tags is None
        page.press("again", list="campaign_tags", kept=path.name)
        assert load_settings(home=tmp_path).campaign_tags == path
        assert "is not kept" in page.press("again", list="campaign_tags", kept="../shop.json")
        assert "There is no list" in page.press("again", list="home", kept="")


@pytest.mark.slow
def test_a_list_that_is_dropped_on_your_data_is_led_to_its_page(tmp_path: Path) -> None:
    with page_of(tmp_path) as page:
        looking = page.send("", "tags.csv", TAGS)
        (again,) = re.findall(r'<noscript>.*href="([^"]+)"', looking)
        wait_until(lambda: "No column of the file can be the time" in page.at(again))
        looked = page.at(again)
        assert f'href="{PAGE}">Lists of your shop</a>' in looked


@pytest.mark.parametrize(
    ("setting", "content", "sentence"),
    [
        ("campaign_tags", "tag,name\na,b\n", "has no column 'campaign'"),
        ("campaign_tags", "tag,campaign\na,b\na,c\n", "has the tag 'a' in lines 2 and 3"),
        ("cities", "country,city,region\nAtlantis,Poseidonis,North\n", "'Atlantis' in line 2"),
        ("rates", "date,currency,rate\n2026-03-01,USD,0\n", "one that is not above 0"),
    ],
)
def test_what_is_no_such_list_is_refused_by_its_name(
    tmp_path: Path, setting: str, content: str, sentence: str
) -> None:
    with page_of(tmp_path) as page:
        looked = page.send(setting, "mine.csv", content)
        seen = read(looked).one("main").text
        assert sentence in seen
        assert "mine.csv" in seen
        assert str(tmp_path) not in seen
        assert 'name="upload"' not in looked


def test_rates_that_were_sent_go_before_typed_ones(tmp_path: Path) -> None:
    choose_shop(tmp_path, {"currency": "EUR", rate_name("EUR", "USD"): "0.5"})
    assert may_choose_rates(load_settings(home=tmp_path))
    use_list(load_settings(home=tmp_path), "rates", sent_file(tmp_path, "r.csv", RATES), "ann")
    settings = load_settings(home=tmp_path)
    assert settings.rates == list_in_use(tmp_path, "rates")
    assert not may_choose_rates(settings)
    use_earlier_list(settings, "rates", "", "ann")
    assert may_choose_rates(load_settings(home=tmp_path))


def test_what_a_setting_names_is_only_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.csv"
    own.write_text(TAGS)
    monkeypatch.setenv("ECOM_CAMPAIGN_TAGS", str(own))
    home = tmp_path / "home"
    with page_of(home) as page:
        assert f"{own} is in use: the environment, .env or ecom.toml says it" in page.text()
        upload = sent_file(home, "tags.csv", TAGS)
        seen = page.press("use", list="campaign_tags", upload=upload.id)
        assert f"names {own} as campaign tags; change it there." in seen
    assert load_settings(home=home).campaign_tags == own


def test_a_run_computes_all_days_by_another_list_or_the_one_before_is_used(tmp_path: Path) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text("order_id\n1\n")
    home = tmp_path / "home"
    settings = load_settings(home=home, orders=str(orders))
    runs = Runs(home, ends=[RunEnd(is_published=True), RunEnd(False, "The disk is full.")])  # noqa: FBT003 (as a tuple)
    for name, problems in (("first.csv", []), ("second.csv", ["The disk is full."])):
        assert use_list(settings, "campaign_tags", sent_file(home, name, TAGS), "ann")
        run = UploadRun(home, "a-run", runs.run, runs.reset)
        assert run.do(waiting_requests(home)) == problems
    in_use = list_in_use(home, "campaign_tags")
    assert in_use is not None
    assert [(one.name, one.file == in_use.name) for one in sent_lists(home, "campaign_tags")] == [
        ("second.csv", False),
        ("first.csv", True),
    ]


def test_a_file_that_is_loaded_is_used_as_no_list(tmp_path: Path) -> None:
    settings, uploads = load_settings(home=tmp_path), Uploads(tmp_path)
    loaded = uploads.note(sent_file(tmp_path, "tags.csv", TAGS), state=LOADED)
    with pytest.raises(UsageError, match=r"tags\.csv is loaded as something else"):
        use_list(settings, "campaign_tags", loaded, "ann")
    assert list_in_use(tmp_path, "campaign_tags") is None


@pytest.mark.parametrize(
    ("letters", "sentence"),
    [(200_000, "has no tag or no campaign"), (120_000_000, "is more than")],
    ids=["a line of one long cell", "120 MB in 120 kB"],
)
def test_a_file_that_is_made_to_harm_is_refused_in_a_sentence(
    tmp_path: Path, letters: int, sentence: str
) -> None:
    packed = gzip.compress(b"tag,campaign\n" + b"a" * letters + b"\n")
    with Uploads(tmp_path).begin("tags.csv.gz", "ann", most_bytes=1_000_000) as writer:
        writer.write(packed)
        upload = writer.finish()
    look = look_at_sent_list(Uploads(tmp_path), "campaign_tags", upload)
    assert sentence in look.refusal
    assert len(look.refusal) < 1_000


def test_what_was_sent_is_noted_before_a_run_that_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UsageError("A run is at your files; wait until it is over, then change it.")

    monkeypatch.setattr(shop_lists, "ask_shop", refuse)
    orders = tmp_path / "orders.csv"
    orders.write_text("order_id\n1\n")
    settings = load_settings(home=tmp_path / "home", orders=str(orders))
    with pytest.raises(UsageError, match="A run is at your files"):
        use_list(settings, "campaign_tags", sent_file(settings.home, "tags.csv", TAGS), "ann")
    assert list_in_use(settings.home, "campaign_tags") is None
    assert [one.name for one in sent_lists(settings.home, "campaign_tags")] == ["tags.csv"]


ORDERS: Final = (
    "order_id,order_date,customer_email,item,quantity,amount,currency\n"
    "A1,2026-03-05 10:00,ann@shop.example,lamp,1,10.00,USD\n"
    "A2,2026-03-09 09:00,bob@shop.example,lamp,1,20.00,USD\n"
)


@pytest.mark.slow
def test_amounts_are_those_of_the_list_in_use(tmp_path: Path) -> None:
    """10.00 at 0.90 and 20.00 at 0.92 are 27.40 euros; at 0.50 all of it is 15.00."""
    home, orders = tmp_path / "home", tmp_path / "orders.csv"
    orders.write_text(ORDERS)
    choose_shop(home, {"currency": "EUR", "timezone": "UTC"})
    ecom("mapping", "init", orders, "--orders", "--timezone", "UTC", home=home)
    mapping = tmp_path / "orders.yaml"
    assert not use_list(
        load_settings(home=home), "rates", sent_file(home, "march.csv", RATES), "ann"
    )
    done = ecom("run", "--orders", orders, "--orders-mapping", mapping, "--json", home=home)
    assert done.exit_code == 0, done.err
    assert sold_amount(home) == Decimal("27.40")
    half = sent_file(home, "half.csv", "date,currency,rate\n2026-01-01,USD,0.5\n")
    served_settings = load_settings(home=home, orders=str(orders), orders_mapping=str(mapping))
    assert use_list(served_settings, "rates", half, "ann")
    assert UploadRun(home, "a-run", run_days, emptied).do(waiting_requests(home)) == []
    assert sold_amount(home) == Decimal("15.00")


def sold_amount(home: Path) -> Decimal:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        ((amount,),) = con.execute("SELECT sum(revenue_amount) FROM mart.sales").fetchall()
    return Decimal(str(amount))


def test_so_many_files_of_a_list_are_kept_and_always_the_one_in_use(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    for number in range(MOST_LISTS + 2):
        use_list(settings, "campaign_tags", sent_file(tmp_path, f"{number}.csv", TAGS), "ann")
    kept = sent_lists(tmp_path, "campaign_tags")
    assert [kept[0].name, kept[-1].name, len(kept)] == ["21.csv", "2.csv", MOST_LISTS]
    assert {path.name for path in lists_folder(tmp_path, "campaign_tags").iterdir()} == {
        one.file for one in kept
    }

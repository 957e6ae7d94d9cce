"""Map a file: a sample is uploaded, read, answered, and removed;
its names and cells are anybody's text.
"""

import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
import yaml

from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import KeyFile
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.files.damage import copies_in
from ecom_assets.ingestion.sources.proposal.proposal import MappingSearch
from ecom_assets.interfaces.dashboard import samples
from ecom_assets.interfaces.dashboard.app import build_dashboard_app, build_dashboard_stack
from ecom_assets.interfaces.dashboard.samples import (
    MAX_BYTES,
    MOST_ENTRIES,
    MOST_NAMES,
    MOST_ROWS,
    Samples,
    safe_name,
)
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read

PAGE = "/dashboard/mapping"
# Ann views, puts into the cart and buys; what "x" is nobody knows. 13.07. can only be a day and a
# month.
CLICKS = """zeitpunkt;besucher;aktion;artikel;preis
01.07.2026 12:00:00;u1;ansicht;4711;
01.07.2026 12:00:05;u1;warenkorb;4711;1.019,90
13.07.2026 12:01:00;u1;kauf;4711;1.019,90
13.07.2026 12:02:00;;kauf;4711;5,00
"""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """The dashboard of an installation that has published nothing yet."""
    with served(build_dashboard_app(Settings(home=tmp_path))) as answer:
        yield Client(answer.address)


def upload(client: Client, name: str, content: bytes, **fields: str) -> requests.Response:
    """Send a file with the page's own form."""
    form = read(client.get(PAGE).text).one("main").one("form")
    token = next(
        field for field in form.all("input") if field.attributes["name"] == "token"
    ).attributes["value"]
    address = client.address + form.attributes["action"]
    files = {"file": (name, content)}
    data = {"token": token, "next": PAGE, **fields}
    return client.session.post(
        address, data=data, files=files, timeout=240, headers={"Origin": client.address}
    )


def field(page: Node, name: str) -> Node:
    return next(
        control
        for control in [*page.all("select"), *page.all("input")]
        if control.attributes.get("name") == name
    )


def yaml_of(page: requests.Response) -> str:
    """Return the mapping that the link of a page downloads."""
    [address] = re.findall(r'href="data:text/yaml;charset=utf-8,([^"]*)"', page.text)
    return unquote(address)


@pytest.mark.when_changed
def test_a_file_becomes_a_mapping_by_one_answer_and_is_removed(
    client: Client, tmp_path: Path
) -> None:
    page = upload(client, "clicks.csv", CLICKS.encode("cp1252"))
    text = read(page.text).one("main").text
    assert "1 question is open" in text
    assert "3 of 4 rows would be counted" in text
    assert "An event has neither a user" in text or "Missing identity" in text
    assert "add_to_cart" in text
    assert 'timezone: "?"' in yaml_of(page)
    answered = client.get(
        f"{page.url.removeprefix(client.address)}&timezone=Europe/Berlin&rows=events&mapping=own"
    )
    assert "open" not in read(answered.text).one("main").one("form").text
    assert "2026-07-01 10:00:00" in answered.text, "12:00 in Berlin"
    mapping = yaml.safe_load(yaml_of(answered))
    assert mapping["fields"]["event_timestamp"]["timezone"] == "Europe/Berlin"
    assert mapping["decimal"] == ","
    [folder] = (tmp_path / "samples").iterdir()
    assert folder.stat().st_mode & 0o77 == 0, "for nobody else on this machine"
    delete = read(answered.text).one("main").one("form")
    fields = {
        control.attributes["name"]: control.attributes["value"] for control in delete.all("input")
    }
    client.session.post(client.address + delete.attributes["action"], data=fields, timeout=240)
    assert list((tmp_path / "samples").iterdir()) == []


@pytest.mark.slow
def test_a_wrong_answer_is_said_beside_its_field_and_the_others_stay(client: Client) -> None:
    content = CLICKS.replace("13.07", "03.07").replace(".", "/").encode()
    address = upload(client, "clicks.csv", content).url.removeprefix(client.address)
    page = client.get(
        f"{address}&timezone=Mars/Olympus&date_format=%25m/%25d/%25Y%20%25H:%25M:%25S&mapping=own"
    )
    assert "is not a time zone" in page.text
    chosen = [
        option
        for option in field(read(page.text), "date_format").all("option")
        if "selected" in option.attributes
    ]
    assert [option.attributes["value"] for option in chosen] == ["%m/%d/%Y %H:%M:%S"]


@pytest.mark.slow
def test_a_shipped_mapping_is_recognized_and_can_be_passed_over(client: Client) -> None:
    rees46 = (
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2025-07-01 10:00:00 UTC,view,4711,1,furniture.lamp,lit,19.90,u1,s-1\n"
    )
    page = upload(client, "rees.csv", rees46.encode())
    assert yaml.safe_load(yaml_of(page)) == {"extends": "rees46"}
    own = client.get(f"{page.url.removeprefix(client.address)}&mapping=own")
    assert yaml.safe_load(yaml_of(own))["event_types"] == {"view": "product_view"}


@pytest.mark.slow
def test_what_a_file_holds_is_text_on_the_page(client: Client) -> None:
    evil = '<script>alert(1)</script>"}{{ 7*7 }}'
    rows = (
        f'zeit,besucher,aktion,"{evil.replace(chr(34), chr(34) * 2)}"\n'
        f"2026-07-01T12:00:00Z,{evil[:25]},kauf,x\n"
    )
    page = upload(client, "../../<b>clicks</b>.csv", rows.encode())
    assert "<script>alert" not in page.text
    assert "{{ 7*7 }}" not in page.text or "49" not in read(page.text).one("main").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\data\\or ders[1].csv", "or_ders_1_.csv"),
        ("...", "sample"),
    ],
)
def test_names_of_uploads_name_no_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", bytes(samples.MAX_UNPACKED_BYTES + 1))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.pdf", b"x", "a format that is not read"),
        ("a.csv", b"", "is empty"),
        ("a.csv", bytes(MAX_BYTES + 1), "larger than 10 MB"),
        ("a.csv.gz", gzip.compress(b"x" * 10_000)[:-9], "damaged"),
        ("a.zip", b"PK", "damaged"),
    ],
)
def test_what_cannot_be_a_sample_is_refused(
    name: str, content: bytes, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=sentence):
        Samples(tmp_path, "me").add(name, content)
    assert not (tmp_path / "samples").exists()


def test_a_file_that_unpacks_to_very_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MAX_UNPACKED_BYTES", 1_000_000)
    with pytest.raises(UsageError, match="holds more than 1 MB"):
        Samples(tmp_path, "me").add("a.zip", bomb())
    with pytest.raises(UsageError, match="holds more than 1 MB"):
        Samples(tmp_path, "me").add("a.csv.gz", gzip.compress(bytes(1_000_001)))


def of_zip(*entries: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return packed.getvalue()


def of_parquet(rows: int) -> bytes:
    """Return a file of equal rows, which is hundreds of bytes whatever their number."""
    packed = io.BytesIO()
    pq.write_table(pa.table({"a": pa.nulls(rows, pa.int8())}), packed)
    return packed.getvalue()


MANY_KEYS: Final = json.dumps(
    {f"key {number}": number for number in range(MOST_NAMES + 1)}
).encode()
MANY_ROWS: Final = of_parquet(MOST_ROWS + 1)
LARGE_SAMPLES: Final = {
    "rows.parquet": (MANY_ROWS, "1,000,001 rows"),
    "rows.zip": (of_zip(("in/rows.pq", MANY_ROWS)), "1,000,001 rows"),
    "files.zip": (
        of_zip(*((f"{number}.csv", b"a\n1\n") for number in range(MOST_ENTRIES + 1))),
        "than 100 files",
    ),
    "packed.zip": (of_zip(("a.csv.gz", gzip.compress(bytes(100_000_001)))), "more than 100 MB"),
    "keys.json": (MANY_KEYS, "different keys"),
    "keys.json.gz": (gzip.compress(MANY_KEYS), "different keys"),
    "keys16.json": (MANY_KEYS.decode().encode("utf-16"), "different keys"),
    "lines.ndjson": (
        b"\n".join(b'{"k%d": 1}' % number for number in range(MOST_NAMES + 1)),
        "different keys",
    ),
    "columns.csv": (
        b",".join(b"c%d" % number for number in range(MOST_NAMES + 1)) + b"\n",
        "columns",
    ),
    "cut.parquet": (MANY_ROWS[:-9], "damaged"),
}


@pytest.mark.parametrize("name", LARGE_SAMPLES)
def test_a_small_file_that_is_large_inside_is_refused_before_it_is_read(
    tmp_path: Path, name: str
) -> None:
    content, sentence = LARGE_SAMPLES[name]
    assert len(content) < 300_000
    with pytest.raises(UsageError, match=sentence):
        Samples(tmp_path, "me").add(name, content)
    assert not (tmp_path / "samples").exists()


@pytest.mark.when_changed
def test_what_is_at_the_bounds_is_read(tmp_path: Path) -> None:
    mine = Samples(tmp_path, "me")
    event = {
        "event_type": "a",
        "user_id": "u",
        "event_timestamp": "2026-01-31T12:00:00Z",
        "note": '"x": 1, "y": 2',
    }
    event |= {f"k{number}": str(number) for number in range(MOST_NAMES - len(event))}
    path = mine.path(mine.add("keys.ndjson", json.dumps(event).encode()))
    assert len(json.loads(path.read_bytes())) == MOST_NAMES
    with copies_in(path.parent / samples.COPIES):
        assert MappingSearch([str(path)], Settings(home=tmp_path)).look.row_count == 1
    assert mine.add("rows.parquet", of_parquet(MOST_ROWS))
    assert mine.add(
        "files.zip", of_zip(*((f"{number}.csv", b"a\n1\n") for number in range(MOST_ENTRIES)))
    )


def test_another_login_finds_no_sample_and_an_old_one_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Samples(tmp_path, "me")
    sample_id = mine.add("a.csv", b"a,b\n1,2\n")
    assert mine.path(sample_id).read_bytes() == b"a,b\n1,2\n"
    with pytest.raises(UsageError, match="not there any more"):
        Samples(tmp_path, "you").path(sample_id)
    monkeypatch.setattr(samples, "LASTS_S", -1)
    mine.remove_old()
    with pytest.raises(UsageError, match="not there any more"):
        mine.path(sample_id)


@pytest.mark.slow
def test_the_token_and_with_keys_the_scope_write_are_needed(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "serving").symlink_to(settings.home / "serving")
    # A worker that starts on a busy machine may take longer than people wait.
    own = settings.model_copy(
        update={"home": tmp_path, "api_timeout_s": 300.0, "adhoc_timeout_s": 300.0}
    )
    keys = KeyFile(tmp_path)
    _, reader = keys.create("reader", (Scope.READ,))
    _, writer = keys.create("writer", (Scope.READ, Scope.WRITE))
    with served(build_dashboard_stack(own)) as answer:  # type: ignore[arg-type]  # any ASGI application
        client = Client(answer.address)
        log_in = {"key": reader, "next": PAGE}
        client.session.post(f"{client.address}/dashboard/login", data=log_in, timeout=240)
        assert "needs a key of scope" in client.get(PAGE).text
        forged = client.session.post(
            f"{client.address}{PAGE}/upload", files={"file": ("a.csv", b"a\n1\n")}, timeout=240
        )
        assert forged.status_code == 403
        other = Client(answer.address)
        other.session.post(
            f"{client.address}/dashboard/login", data={"key": writer, "next": PAGE}, timeout=240
        )
        # Larger than the bodies of other requests, smaller than a sample may be.
        content = CLICKS.encode() + b"13.07.2026 12:02:00;u1;kauf;%s;5,00\n" % (b"4" * 40_000) * 30
        page = upload(other, "clicks.csv", content)
        assert "33 of 34 rows would be counted" in page.text
        stolen = client.get(page.url.removeprefix(client.address))
        assert "needs a key of scope" in stolen.text

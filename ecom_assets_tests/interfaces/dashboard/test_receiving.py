"""Files that people send: who sends one is looked at before its first byte, its bytes are kept
block by block, and what is broken off leaves nothing.
"""

import shutil
import socket
import time
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from pydantic import SecretStr

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.html import read
from ecom_assets_tests.patience import PATIENCE_S

READER, WRITER, OTHER = "a-key-that-reads-only", "a-key-that-may-write", "a-key-of-somebody-else"
CLIENT_TIMEOUT_S = 0.5
PAGE = "/dashboard/mapping"
CONTENT = b"Name,Total\n#1,5\n" * 10_000  # 160 KB: several blocks of the network


@dataclass
class Sender:
    """Somebody who is logged in, with the token of the page's form."""

    address: str
    session: requests.Session
    token: str

    def send(self, name: str, content: bytes, **headers: str) -> requests.Response:
        """Send a file as the page's script does."""
        headers = {
            "x-form-token": self.token,
            "x-file-name": quote(name),
            "origin": self.address,
            **{key.replace("_", "-"): value for key, value in headers.items()},
        }
        return self.session.post(
            f"{self.address}{PAGE}/upload", data=content, headers=headers, timeout=PATIENCE_S
        )

    def head(self, length: int) -> bytes:
        """Return the head of such a request."""
        port = self.address.rpartition(":")[2]
        cookies = "; ".join(f"{name}={value}" for name, value in self.session.cookies.items())
        lines = [
            f"POST {PAGE}/upload HTTP/1.1",
            f"host: 127.0.0.1:{port}",
            f"cookie: {cookies}",
            f"x-form-token: {self.token}",
            "x-file-name: a.csv",
            f"content-length: {length}",
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def begun(self, length: int, sent: bytes) -> socket.socket:
        """Return a connection on which the beginning of a file was sent."""
        port = int(self.address.rpartition(":")[2])
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.sendall(self.head(length) + sent)
        return connection


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("receiving")


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    """A dashboard that takes files of 1 MB, and waits half a second for a block."""
    settings = Settings(
        home=home,
        upload_max_mb=1,
        api_client_timeout_s=CLIENT_TIMEOUT_S,
        api_keys=SecretStr(f"{READER},read+write:{WRITER},read+write:{OTHER}"),
    )
    with served(build_dashboard_stack(settings)) as answer:  # type: ignore[arg-type]  # any ASGI application
        yield answer.address


@pytest.fixture
def writer(address: str) -> Sender:
    return logged_in(address, WRITER)


def logged_in(address: str, key: str) -> Sender:
    session = requests.Session()
    session.post(f"{address}/dashboard/login", data={"key": key, "next": PAGE}, timeout=PATIENCE_S)
    page = read(session.get(f"{address}{PAGE}", timeout=PATIENCE_S).text)
    fields = [field for field in page.all("input") if field.attributes.get("name") == "token"]
    return Sender(address, session, fields[0].attributes["value"] if fields else "")


def left_behind(home: Path) -> list[str]:
    """Return the files that are there of uploads that are not in the list."""
    known = {upload.id for upload in Uploads(home).every()}
    folder = home / "uploads" / "originals"
    return [path.name for path in folder.glob("*") if path.name not in known]


def test_a_file_is_kept_byte_by_byte(writer: Sender, home: Path) -> None:
    answer = writer.send("März 2026.csv", CONTENT)
    assert answer.status_code == 200
    uploads = Uploads(home)
    upload = uploads.of(answer.json()["id"])
    assert uploads.original(upload).read_bytes() == CONTENT
    assert (upload.byte_count, upload.state) == (160_000, "kept")
    assert uploads.original(upload).stat().st_mode & 0o77 == 0 or home.stat().st_mode & 0o77 == 0


def test_without_scripts_a_form_brings_one_file(writer: Sender, home: Path) -> None:
    answer = writer.session.post(
        f"{writer.address}{PAGE}/upload",
        data={"token": writer.token},
        files={"file": ("orders.csv", CONTENT)},
        headers={"origin": writer.address},
        timeout=PATIENCE_S,
        allow_redirects=False,
    )
    assert answer.status_code == 303
    page, _, upload_id = answer.headers["location"].partition("?files=")
    assert page == "/dashboard/mapping-files"
    upload = Uploads(home).of(upload_id)
    assert Uploads(home).original(upload).read_bytes() == CONTENT


def test_no_byte_is_taken_before_key_scope_origin_and_token_are_right(
    writer: Sender, home: Path
) -> None:
    before = len(Uploads(home).every())
    reader = logged_in(writer.address, READER)
    seen = reader.session.get(f"{reader.address}{PAGE}", timeout=PATIENCE_S).text
    assert "needs a key that may" in seen, "who may not write gets no form"
    for sender, headers in (
        (Sender(writer.address, requests.Session(), writer.token), {}),
        (Sender(writer.address, reader.session, writer.token), {}),
        (writer, {"origin": "https://elsewhere.example"}),
        (writer, {"x_form_token": "guessed"}),
        (writer, {"sec_fetch_site": "cross-site"}),
    ):
        answer = sender.send("a.csv", b"a\n1\n", **headers)
        assert answer.status_code in {401, 403}, headers
    with Sender(writer.address, reader.session, "x").begun(1_000_000, b"") as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 403"), "nothing of its body was sent"
    form = writer.session.post(
        f"{writer.address}{PAGE}/upload",
        files={"file": ("a.csv", b"a\n1\n")},
        data={},
        timeout=PATIENCE_S,
    )
    assert form.status_code == 403, "the token has to come before the file"
    assert len(Uploads(home).every()) == before
    assert left_behind(home) == []


def test_what_is_broken_off_leaves_nothing(writer: Sender, home: Path) -> None:
    with writer.begun(500_000, b"a" * 200_000) as connection:
        time.sleep(0.1)
        assert len(left_behind(home)) == 1, "it is coming in"
        connection.close()
    _until_nothing_is_left(home)


def test_a_file_that_stops_arriving_is_given_up(writer: Sender, home: Path) -> None:
    with writer.begun(500_000, b"a" * 1_000) as connection:
        answer = connection.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"Nothing more of this file came for 0.5 s" in answer
    _until_nothing_is_left(home)


def test_slow_is_not_too_slow_as_long_as_blocks_come(writer: Sender) -> None:
    with writer.begun(5, b"") as connection:
        for sign in b"a\n1\n2":
            time.sleep(CLIENT_TIMEOUT_S * 0.4)
            connection.sendall(bytes([sign]))
        assert connection.recv(100).startswith(b"HTTP/1.1 200"), "twice the limit of a block"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"", "a.csv is empty"),
        ("holiday.jpg", b"\xff\xd8\xff", "holiday.jpg has a format that is not read"),
        ("a.csv", b"x" * 1_200_000, "This file is larger than 1 MB"),
    ],
)
def test_what_is_not_taken_is_said_in_a_sentence(
    writer: Sender, home: Path, name: str, content: bytes, sentence: str
) -> None:
    answer = writer.send(name, content)
    assert answer.status_code in {413, 422}
    assert sentence in answer.json()["detail"]
    assert left_behind(home) == []


def test_a_full_disk_is_said(writer: Sender, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10, 10, 0))
    answer = writer.send("a.csv", CONTENT)
    assert answer.status_code == 503
    assert "disk" in answer.json()["detail"]
    assert left_behind(home) == []


def test_two_people_send_at_once_and_see_only_their_own(writer: Sender) -> None:
    other = logged_in(writer.address, OTHER)
    with writer.begun(20, b"a,b\n1,2\n") as mine:
        theirs = other.send("theirs.csv", b"c\n3\n").json()["id"]
        mine.sendall(b"3,4\n5,6\n7,8\n")
        assert mine.recv(100).startswith(b"HTTP/1.1 200")
    page = writer.session.get(f"{writer.address}{PAGE}", timeout=PATIENCE_S).text
    assert "a.csv" in page
    assert "theirs.csv" not in page
    stolen = writer.session.get(
        f"{writer.address}/dashboard/mapping-files?files={theirs}", timeout=PATIENCE_S
    )
    assert "not there any more" in stolen.text


def _until_nothing_is_left(home: Path) -> None:
    deadline = time.monotonic() + 10
    while left_behind(home):
        assert time.monotonic() < deadline, left_behind(home)
        time.sleep(0.05)

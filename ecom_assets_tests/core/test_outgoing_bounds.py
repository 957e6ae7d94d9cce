"""Nobody whom we send something holds us up without an end, or fills our memory with an answer:
webhooks, Dagster's UI, receivers of lineage and traces, key sets, registries, and mail servers.
"""

import itertools
import socket
import threading
import time
import tracemalloc
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from requests.exceptions import TooManyRedirects

from ecom_assets.core.errors import MailError
from ecom_assets.core.http import retry
from ecom_assets.core.http.retry import ResponseBounds
from ecom_assets.core.http_server import tokens
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.stream import decoding
from ecom_assets.interfaces.api.middleware import tracing
from ecom_assets.interfaces.ui import opening
from ecom_assets.interfaces.watching import messages
from ecom_assets.orchestration.automation import mail, openlineage, reloading
from ecom_assets_tests.core.test_http_bounds import SLOW, Sends, flood, served

QUICK = ResponseBounds(0.3, most_mb=1.0)
MOST_S = 6.0
"""How long any of these may take on a busy machine: a few attempts, each within its bound."""
Send = Callable[[str, Path], str]


def to_webhook(url: str, _home: Path) -> str:
    message: Any = SimpleNamespace(json=lambda: {"alert": "revenue"})
    try:
        messages.post(message, "json", url)
    except MailError as error:
        return str(error)
    return "taken"


def to_dagster(url: str, home: Path) -> str:
    said: list[str] = []
    (home / "ui_address").write_text(url)
    reloading.reload_location(Settings(home=home), said.append)
    return said[0]


def to_receiver(url: str, home: Path) -> str:
    return openlineage.trouble_of_receiver(Settings(home=home, openlineage_url=url))


def to_lineage(url: str, _home: Path) -> str:
    lineage = openlineage.Lineage(url, "", "shop", lambda _contract: None, ())  # type: ignore[arg-type]  # asked of no table
    start = lineage.start_event("0190a7d4-7b5c-7000-8000-000000000000", "events", time.time())
    return lineage.deliver([start], 10.0).trouble


def to_keys(url: str, _home: Path) -> str:
    try:
        tokens._KeySet(url)._fetched()  # noqa: SLF001 (what a token with an unknown key leads to)
    except Exception as error:  # noqa: BLE001 (whatever it is, the token is not valid)
        return type(error).__name__
    return "keys"


def to_traces(url: str, _home: Path) -> str:
    span = TracerProvider().get_tracer("shop").start_span("asked")
    span.end()
    return str(tracing.new_exporter(url).export([span]).name)


def to_registry(url: str, _home: Path) -> str:
    try:
        decoding.RegistryDecoder(url, unknown_s=0).lines([b"\0\0\0\0\1{}"])
    except decoding.RegistryDownError as error:
        return str(error)
    return "decoded"


SENDERS: dict[str, tuple[Send, str, str]] = {
    "a webhook": (to_webhook, "taken", "cannot be reached"),
    "Dagster's UI": (to_dagster, "did not end its answer within 0.3 s", "did not"),
    "a receiver of lineage, asked": (to_receiver, "EndlessResponseError", "EndlessResponseError"),
    "a receiver of lineage": (to_lineage, "EndlessResponseError", "EndlessResponseError"),
    "a key set": (to_keys, "EndlessResponseError", "EndlessResponseError"),
    "a registry of schemas": (to_registry, "EndlessResponseError", "EndlessResponseError"),
    "a receiver of traces": (to_traces, "FAILURE", "FAILURE"),
}
"""How each sends, and what becomes of an answer whose body does not end, or whose head does not."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all wait for 0.3 s, and try once."""
    for module, name in (
        (messages, "ANSWER"),
        (reloading, "RELOADED"),
        (openlineage, "RECEIPT"),
        (tokens, "KEY_SET"),
        (tracing, "RECEIPT"),
        (decoding, "OF_REGISTRY"),
        (opening, "PAGE"),
    ):
        monkeypatch.setattr(module, name, QUICK)
    monkeypatch.setattr(messages, "PAUSES_S", ())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1")
    monkeypatch.setattr(opening, "WAITS_S", 0.3)


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("case", ["a body without a length", "a header"])
def test_an_answer_that_drips_ends(tmp_path: Path, sender: str, case: str) -> None:
    send, of_body, of_head = SENDERS[sender]
    began = time.monotonic()
    with served(SLOW[case]) as url:
        said = send(url, tmp_path)
    assert (of_head if case == "a header" else of_body) in said
    assert time.monotonic() - began < MOST_S


@pytest.mark.parametrize("sender", SENDERS)
def test_an_answer_that_floods_is_not_kept(tmp_path: Path, sender: str) -> None:
    """200 MB, of which one is read; a webhook has said before that it took the message."""
    send, of_body, _ = SENDERS[sender]
    expected = "answers with more than the 1 MB" if sender == "Dagster's UI" else of_body
    tracemalloc.start()
    try:
        with served(flood) as url:
            assert expected in send(url, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_browser_is_not_opened_at_an_address_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    with served(SLOW["a body without a length"]) as url:
        opening.open_once_there(url)
    assert opened == []


def test_a_redirect_that_leads_on_for_ever_ends() -> None:
    def onward() -> Iterator[bytes]:
        yield b"HTTP/1.1 307 On\r\nLocation: /again\r\nConnection: close\r\n"
        yield b"Content-Length: 0\r\n\r\n"

    with (
        served(onward) as url,
        retry.bounded_session(QUICK) as session,
        pytest.raises(TooManyRedirects),
    ):
        session.get(url, timeout=1)


@contextmanager
def mail_server(sends: Sends) -> Iterator[str]:
    """Yield the address of a mail server that says this when somebody connects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    for part in sends():
                        try:
                            connection.sendall(part)
                        except OSError:
                            break
                        if len(part) < 10:
                            time.sleep(0.05)

        threading.Thread(target=answer, daemon=True).start()
        yield f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


GREETINGS: dict[str, Sends] = {
    "a line that drips": lambda: itertools.chain([b"220 "], itertools.repeat(b"x")),
    "lines that drip": lambda: itertools.repeat(b"220-x\r\n"),
}


@pytest.mark.parametrize("case", GREETINGS)
def test_a_mail_server_that_drips_ends_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(mail, "SESSION_S", 0.3)
    began = time.monotonic()
    with (
        mail_server(GREETINGS[case]) as url,
        pytest.raises(MailError, match=r"it did not end within 0\.3 s; start it or correct"),
    ):
        mail.MailServer.parse(url).try_login()
    assert time.monotonic() - began < MOST_S


def test_a_mail_server_that_floods_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "RETRY_PAUSES_S", ())
    lines = itertools.repeat(b"220-" + b"x" * 996 + b"\r\n", 1_000_000)
    tracemalloc.start()
    try:
        with mail_server(lambda: lines) as url, pytest.raises(MailError, match="1,000,000 bytes"):
            mail.MailServer.parse(url).try_login()
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()

"""Ad-hoc questions: in turns, each in a process that can be ended,
while everything else is answered as always.
"""

import asyncio
import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from fastapi import FastAPI, Request

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.adhoc.questions import AdHoc, TooManyQuestionsError, Turns
from ecom_assets.interfaces.api.store.store import spill_folder
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.served import Running, Shop, serving, small_app
from ecom_assets_tests.patience import PATIENCE_S, wait_until

KEYS = {name: f"a-key-of-{name}-with-some-length" for name in ("anna", "bert", "carl")}
UNSTOPPABLE = "a" * 64
"""What a pattern of Python's takes longer than the universe for, without looking at any signal."""


async def ask_in_turn(
    turns: Turns, callers: str, began: list[str], end: asyncio.Event
) -> list[asyncio.Task[None]]:
    """Ask for callers in this order; `began` gets the caller of each
    question that runs, until `end`.
    """

    async def question(caller: str) -> None:
        async with turns.turn(caller):
            began.append(caller)
            await end.wait()

    tasks = [asyncio.create_task(question(caller)) for caller in callers]
    await asyncio.sleep(0.01)
    return tasks


@each(
    "at_once, asked, begun",
    [
        (1, "aaab", "a"),
        (2, "aaa", "a"),
        (2, "aaab", "ab"),
        (3, "aaaab", "aab"),
        (3, "aaaabbbb", "aab"),
        (3, "abcd", "abc"),
    ],
)
def test_one_caller_leaves_a_place_for_others(at_once: int, asked: str, begun: str) -> None:
    async def story() -> str:
        began: list[str] = []
        tasks = await ask_in_turn(Turns(at_once, 100), asked, began, asyncio.Event())
        for task in tasks:
            task.cancel()
        return "".join(began)

    assert sorted(asyncio.run(story())) == sorted(begun)


def test_callers_come_in_turn_whoever_asked_most() -> None:
    async def story() -> str:
        began: list[str] = []
        turns, end = Turns(1, 100), asyncio.Event()
        tasks = await ask_in_turn(turns, "aaaaabbc", began, end)
        end.set()
        await asyncio.gather(*tasks)
        return "".join(began)

    assert asyncio.run(story()) == "abcabaaa"


def test_beyond_the_bound_a_caller_is_refused_and_others_are_not() -> None:
    async def story() -> None:
        turns, end = Turns(2, 3), asyncio.Event()
        tasks = await ask_in_turn(turns, "aaa", [], end)
        with pytest.raises(TooManyQuestionsError):
            async with turns.turn("a"):
                pass
        async with turns.turn("b"):
            pass
        end.set()
        await asyncio.gather(*tasks)
        async with turns.turn("a"):
            pass

    asyncio.run(story())


def test_who_leaves_the_queue_or_a_place_holds_up_nobody() -> None:
    async def story() -> str:
        began: list[str] = []
        running, waiting, _ = await ask_in_turn(Turns(1, 100), "abc", began, asyncio.Event())
        waiting.cancel()
        await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.sleep(0.01)
        return "".join(began)

    assert asyncio.run(story()) == "ac"


def holding_app(settings: Settings) -> FastAPI:
    """An application with a stored number, a question that never ends, a quick one,
    and one that ends its process.
    """
    app = small_app(Shop())

    @app.post("/analytics/unstoppable")
    def unstoppable() -> bool:
        spill_folder(settings, os.getpid()).mkdir(parents=True)
        return bool(re.match("(a+)+$", UNSTOPPABLE + "!"))

    @app.post("/analytics/quick")
    async def quick(request: Request) -> dict[str, str]:
        return {"sent": (await request.body()).decode(), "by": request.headers["x-api-key"]}

    @app.post("/analytics/ends")
    def ends() -> None:
        raise SystemExit(1)

    app.state.ad_hoc = AdHoc(
        holding_app, tuple(f"POST /analytics/{name}" for name in ("unstoppable", "quick", "ends"))
    )
    return app


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Running]:
    """Two questions at once, three of a caller, and a second for each."""
    keys = ",".join(f"read:{key}" for key in KEYS.values())
    settings = Settings(home=tmp_path, api_keys=keys, adhoc_timeout_s=1.0, adhoc_per_caller=3)
    with serving(settings, holding_app(settings)) as actual:
        yield actual


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Running]:
    """As `hasty`, with time for processes that a busy machine is slow to start."""
    settings = Settings(home=tmp_path, api_keys=f"read:{KEYS['anna']}", adhoc_timeout_s=30.0)
    with serving(settings, holding_app(settings)) as actual:
        yield actual


def ask(served: Running, name: str, caller: str = "anna", body: str = "") -> requests.Response:
    """Ask a question by POST."""
    headers = {"X-API-Key": KEYS[caller]}
    return requests.post(
        f"{served.address}/analytics/{name}", data=body, headers=headers, timeout=PATIENCE_S
    )


@pytest.mark.slow
def test_a_question_is_computed_elsewhere_and_answered_as_if_it_were_not(hasty: Running) -> None:
    answer = ask(hasty, "quick", body="the body")
    assert (answer.status_code, answer.json()) == (200, {"sent": "the body", "by": KEYS["anna"]})
    assert answer.headers["content-type"] == "application/json"
    assert "x-request-id" in answer.headers


@pytest.mark.slow
def test_a_question_ends_at_its_limit_whatever_it_does(hasty: Running) -> None:
    ask(hasty, "quick")  # starts the process
    answer = ask(hasty, "unstoppable")
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert "takes more than 1 s; ask about fewer days" in answer.json()["detail"]
    assert ask(hasty, "quick").status_code == 200, "by another process"
    # A process that was ended before it wrote anything has made no folder.
    assert list((hasty.home / "serving").glob("*")) == [], "what the ended one had on disk is gone"


@pytest.mark.slow
def test_while_questions_are_held_everything_else_is_answered_and_callers_have_bounds(
    hasty: Running,
) -> None:
    ask(hasty, "quick")
    with ThreadPoolExecutor(20) as threads:
        held = [
            threads.submit(ask, hasty, "unstoppable", caller)
            for caller in ("anna",) * 10 + ("bert",) * 3
        ]
        wait_until(lambda: sum(day.done() for day in held) >= 7)  # of anna's
        for _ in range(5):
            assert hasty.get("/analytics/sales", KEYS["anna"]).status_code == 200
            assert hasty.get("/health/live").status_code == 200
        assert ask(hasty, "quick", "carl").status_code == 200, "before the rest of the others"
        assert sum(not day.done() for day in held) >= 2
        answers = [day.result() for day in held]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert sorted(answer.status_code for answer in answers) == [413] * 6 + [429] * 7
    assert {response.headers["retry-after"] for response in refused} == {"5"}
    assert {response.json()["detail"] for response in refused} == {
        "You have 3 questions that are not answered yet; wait for one of them."
    }


@pytest.mark.slow
def test_a_client_that_hangs_up_leaves_its_place(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, adhoc_timeout_s=600.0, api_timeout_s=600.0, adhoc_at_once=1)
    with serving(settings, holding_app(settings)) as served:
        headers = {"X-API-Key": ""}
        requests.post(f"{served.address}/analytics/quick", headers=headers, timeout=PATIENCE_S)
        with socket.create_connection(("127.0.0.1", served.port)) as client:
            client.sendall(
                b"POST /analytics/unstoppable HTTP/1.1\r\n"
                b"host: 127.0.0.1\r\n"
                b"content-length: 0\r\n"
                b"\r\n"
            )
            time.sleep(0.5)
        assert (
            requests.post(
                f"{served.address}/analytics/quick", headers=headers, timeout=PATIENCE_S
            ).status_code
            == 200
        )


def test_a_process_that_ends_by_itself_is_replaced(patient: Running) -> None:
    answer = ask(patient, "ends")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "ask again" in answer.json()["detail"]
    assert ask(patient, "quick").status_code == 200

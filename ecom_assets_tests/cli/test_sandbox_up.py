"""`ecom sandbox up` in a process of its own: all stand-ins answer, faults can be set over HTTP,
Ctrl-C ends it.
"""

import json
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import requests

from ecom_assets.core.settings.settings import load_settings
from ecom_assets.ingestion.sources.customer_api.api import fetch_customers
from ecom_assets.outputs.delivery.tools.all import TOOLS
from ecom_assets_tests.command import ECOM, ecom, environment, small_shop

pytestmark = pytest.mark.xdist_group("cli_processes")
TIMEOUT_S = 60
SERVED = (
    "customer",
    "order",
    "catalogue",
    *(name for name, tool in TOOLS.items() if tool.has_stand_in),
)
FREE_PORTS = tuple(word for name in SERVED for word in (f"--{name}-port", "0"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    small_shop(tmp_path / "home", days=1, visitors=20)
    return tmp_path / "home"


@pytest.mark.slow
def test_all_stand_ins_serve_until_ctrl_c(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("sandbox", "up", "--json", "--faults", *FREE_PORTS)
    with subprocess.Popen(
        [*ECOM, *arguments],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        for name, value in answer.items():
            monkeypatch.setenv(name, value)
        # Its faults come with Retry-After: 1, which nobody needs to wait for here.
        calm = requests.put(
            f"{answer['ECOM_ORDER_API_URL']}/control/faults", json={"every": 0}, timeout=TIMEOUT_S
        )
        control = answer["ECOM_CUSTOMER_API_URL"].replace("/api/customers", "/control/faults")
        before = requests.get(control, timeout=TIMEOUT_S).json()
        refused = requests.put(control, json={"retry_afterr": "0"}, timeout=TIMEOUT_S)
        requests.put(control, json={"malformed_pages": 1}, timeout=TIMEOUT_S).raise_for_status()
        fetched = fetch_customers(load_settings(home=home))
        tools = [
            f"{answer[f'ECOM_{tool}_URL']}/control"
            for tool in ("AMPLITUDE", "HEAP", "MIXPANEL", "GA4")
        ]
        held = [
            requests.get(f"{tool}/held", timeout=TIMEOUT_S).json()["taken_count"] for tool in tools
        ]
        chances = [
            requests.get(f"{tool}/faults", timeout=TIMEOUT_S).json()["chance"]["share"]
            for tool in tools
        ]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out, err) == (0, "", "")
    assert (calm.status_code, before["every"] > 0, refused.status_code) == (200, True, 400)
    assert (
        "retry_afterr='0' is not a fault; the faults are latency_s, rate_limited,"
        in refused.json()["error"]
    )
    assert (len(fetched.customers), len(fetched.quarantined)) == (20, 1)
    assert (held, chances) == ([0] * 4, [0.1] * 4)


@pytest.mark.parametrize("name", ["customer", "amplitude"])
def test_a_port_that_is_taken_is_reported(home: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = ecom("sandbox", "up", *FREE_PORTS, f"--{name}-port", str(port), home=home)
    assert (result.exit_code, result.sentence) == (
        2,
        f"Port {port} is not available (Address already in use); give another, or 0.",
    )


@pytest.mark.parametrize(("name", "port"), [("customer", "65536"), ("amplitude", "-1")])
def test_a_number_that_is_no_port_is_reported(home: Path, name: str, port: str) -> None:
    result = ecom("sandbox", "up", *FREE_PORTS, f"--{name}-port", port, home=home)
    assert (result.exit_code, result.sentence) == (
        2,
        f"Port {port} is not available (bind(): port must be 0-65535); give another, or 0.",
    )

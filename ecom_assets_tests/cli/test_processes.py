"""The commands in interpreters of their own, as people start them:
nothing on stderr but what is meant, and Ctrl-C.
"""

import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from ecom_assets.cli.ui import api_service
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets_tests.cli.contents import contents
from ecom_assets_tests.command import (
    ECOM,
    FEW_TABLES,
    ecom,
    ecom_process,
    environment,
    has_ended,
    page_views,
    small_shop,
)
from ecom_assets_tests.patience import PATIENCE_S
from ecom_assets_tests.ports import free_port

pytestmark = pytest.mark.xdist_group("cli_processes")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("processes") / "home"
    small_shop(home, days=1, visitors=100)
    return home


@pytest.fixture(scope="module")
def events(home: Path) -> Path:
    return page_views(home.with_name("own.csv"), "2026-01-01")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("sessions", "--events", "own.csv"),
        ("funnel", "--events", "own.csv", "--steps", "page_view,page_view"),
        ("retention", "--events", "own.csv", "--period", "day"),
        ("sandbox", "data", "--days", "1", "--visitors", "5", "--out", "made", "--json"),
        ("--help",),
    ],
)
def test_other_commands_warn_of_nothing(
    home: Path, events: Path, arguments: tuple[str, ...]
) -> None:
    assert events.exists()
    result = ecom_process(*arguments, home=home)
    assert (result.exit_code, result.err) == (0, "")
    assert result.out


@pytest.mark.slow
def test_doctor_warns_of_nothing(home: Path) -> None:
    assert ecom_process("doctor", home=home).err == ""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["doctor", "status"])
def test_looking_loads_neither_dagster_nor_the_api_s_framework(home: Path, command: str) -> None:
    DuckDBEngine(home / "warehouse.duckdb").open().close()
    script = (
        f"import sys; from ecom_assets.cli.app import app;app([{command!r}], standalone_mode=False)"
        ";print([name for name in ('dagster', 'fastapi', 'scipy.optimize') if name in sys.modules])"
    )
    done = subprocess.run(
        [ECOM[0], "-c", script], env=environment(home), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_asking_a_file_loads_no_dagster(home: Path, events: Path) -> None:
    script = (
        "import sys; from ecom_assets.cli.app import app;app(['funnel', '--events', "
        f"{str(events)!r}, '--steps', 'page_view,purchase'], standalone_mode=False);print([name "
        "for name in ('dagster', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run(
        [ECOM[0], "-c", script],
        env=environment(home),
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


NOT_FOR_A_RUN = (
    "dagster_webserver",
    "ecom_assets.ingestion.stream",
    "ecom_assets.ingestion.uploads.look",
    "ecom_assets.interfaces.api.store",
    "ecom_assets.interfaces.dashboard",
    "ecom_assets.interfaces.report.report",
    "ecom_assets.interfaces.weeks",
    "ecom_assets.orchestration.automation.openlineage",
    "ecom_assets.orchestration.automation.upload_runs",
    "ecom_assets.orchestration.sandbox",
    "ecom_sandbox",
    "fastapi",
    "jinja2",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.special",
)
"""What a run over two rows of events has no use for."""


@pytest.mark.slow
def test_a_run_over_two_rows_loads_only_what_it_uses(home: Path, events: Path) -> None:
    script = (
        "import sys; from ecom_assets.cli.app import app;app(['run', '--events', "
        f"{str(events)!r}], standalone_mode=False);print(*sys.modules)"
    )
    done = subprocess.run(
        [ECOM[0], "-c", script],
        env=environment(home.with_name("two_rows")),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = done.stdout.splitlines()[-1].split()
    assert "ecom_assets.definitions" in loaded
    assert [name for name in NOT_FOR_A_RUN if name in loaded] == []


@pytest.mark.slow
def test_ctrl_c_ends_a_run_with_a_sentence_and_the_next_run_goes_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    small_shop(home, days=2, visitors=150)
    with subprocess.Popen(
        [*ECOM, "run", *FEW_TABLES],
        env=environment(home),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "staging.duplicate_events" in line:
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "ecom: stopped; what was committed stays, run again to go on."
    assert "Traceback" not in err
    assert ecom("run", "--json", *FEW_TABLES, home=home).exit_code == 0
    whole = tmp_path / "undisturbed" / "home"
    small_shop(whole, days=2, visitors=150)
    ecom("run", *FEW_TABLES, home=whole)
    assert contents(home / "warehouse.duckdb") == contents(whole / "warehouse.duckdb")


def test_a_port_that_is_taken_is_named(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = ecom("ui", "--port", str(port), home=home)
    assert result.exit_code == 2
    assert result.sentence.startswith(
        f"The UI cannot listen at 127.0.0.1:{port} (Address already in use"
    )


@pytest.mark.slow
def test_the_ui_names_its_ports_and_stops_with_a_sentence_even_from_the_background(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    small_shop(home, days=1, visitors=5)
    port, api_port = free_port(), free_port()
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *ECOM, "ui", "--port", str(port)],
        env=environment(home, {"ECOM_API_PORT": str(api_port)}),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines = list[str]()
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.endswith("(--port)\n"):
            break
    assert stat.S_IMODE((home / "dagster.log").stat().st_mode) == 0o600
    os.killpg(process.pid, signal.SIGTERM)
    lines += process.stdout.read().splitlines()
    process.wait(240)
    process.stdout.close()
    assert lines == [
        f"Starting the dashboard and Dagster; they log into {home}, and Ctrl-C stops them.",
        f"Your shop: http://127.0.0.1:{api_port}/dashboard/",
        f"  http://127.0.0.1:{api_port}".ljust(31) + "dashboard and HTTP API (ECOM_API_PORT)",
        f"  http://127.0.0.1:{port}".ljust(31) + "Dagster: runs, schedules, tables (--port)",
        "Stopping the dashboard, Dagster and its schedules; `ecom ui` starts them again.",
    ]
    assert has_ended(process.pid)


def test_a_port_that_is_taken_says_which_setting_moves_it(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings = Settings(home=home, api_port=port)
        assert str(api_service(settings)).endswith("give ECOM_API_PORT another value.")

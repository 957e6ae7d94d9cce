"""`ecom ui`: serve Dagster's UI with its daemon, and the HTTP API."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ecom_assets.core.errors import EcomError, UsageError, system_reason
from ecom_assets.core.settings.home import close_to_others, require_history
from ecom_assets.core.settings.settings import (
    Settings,
    environment_with,
    hand_on,
    load_settings,
    prepare_dagster_home,
    written_paths,
)

WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"
API_PORT, COLLECTOR_PORT = "ECOM_API_PORT", "ECOM_COLLECT_PORT"
"""What moves the port of a server that `ecom ui` starts beside Dagster's UI."""
EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 (compared with, not listened on)
LOG_NAME, SHOP_LOG_NAME, COLLECTOR_LOG_NAME = "api.log", "sandbox.log", "collector.log"
DAGSTER_LOG_NAME = "dagster.log"


def start_api(settings: Settings) -> str:
    """Start the API, which ends with this process, and return a message if it cannot start: the UI
    runs without it then.
    """
    from ecom_assets.interfaces.api.auth.access import credentials_of, refuse_open_access  # noqa: PLC0415 (loads Starlette)

    try:
        refuse_taken("API", settings.api_host, settings.api_port, API_PORT)
        refuse_open_access(settings, credentials_of(settings))
    except EcomError as error:
        return f"The dashboard and the HTTP API do not come up: {error}"
    start_beside(settings, LOG_NAME, "api")
    return ""


def dashboard_address(settings: Settings) -> str:
    """Return where the dashboard is reached from this machine."""
    host = "127.0.0.1" if settings.api_host in EVERYWHERE else settings.api_host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.api_port}/dashboard/"


def open_later(address: str) -> None:
    """Open a page in a browser once it answers, beside this process."""
    program = [sys.executable, "-m", "ecom_assets.interfaces.ui.opening", address]
    nowhere = subprocess.DEVNULL
    subprocess.Popen(program, stdin=nowhere, stdout=nowhere, stderr=nowhere)  # noqa: S603 (our own)


def start_beside(settings: Settings, log_name: str, *command: str) -> None:
    """Start a command that ends with this process; what it prints is its log."""
    program = [
        sys.executable,
        "-c",
        "from ecom_assets.cli import main; main()",
        *command,
        "--until-parent-ends",
    ]
    opened = open_log(settings, log_name)
    try:
        # Dagster replaces this process; the command notices by itself when it ends.
        subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=opened, stderr=opened)  # noqa: S603 (our own)
    finally:
        os.close(opened)


def open_log(settings: Settings, log_name: str) -> int:
    """Return the file descriptor of a log in the folder of the platform, which begins anew."""
    settings.home.mkdir(parents=True, exist_ok=True)
    return os.open(settings.home / log_name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def take_own_data(settings: Settings) -> str:
    """Use the files of the last `ecom run` if none are set, and return a message for the user.

    Otherwise schedules and live events would be those of the sandbox shop, over a warehouse of the
    shop's own data.
    """
    from ecom_assets.ingestion.sources.first_partition import paths_of_last_run  # noqa: PLC0415 (loads DuckDB)

    paths = paths_of_last_run(settings)
    if not paths:
        return ""
    hand_on(paths)  # to Dagster's processes, too
    variables = " ".join(f"{name}={value}" for name, value in paths.items())
    return f"Over your own data, as the last `ecom run` here was: {variables}"


def start_shop(settings: Settings) -> str:
    """Start to deliver the events of today in a sandbox shop that grows,
    and return a message for the user.

    In a home in which nobody has chosen that shop, nothing but a process that waits until somebody
    does.
    """
    from ecom_assets.ingestion.sources.sandbox_shop import grows, is_made  # noqa: PLC0415 (loads Ibis)

    if not grows(settings):
        return ""
    if not is_made(settings):
        start_beside(settings, SHOP_LOG_NAME, "sandbox", "live", "--once-chosen")
        return (
            "Nothing is loaded here yet: bring in your files on that page, or look around in a "
            "sample shop first."
        )
    of_shop = (
        "Nothing was given: this is the sandbox shop, whose events of today arrive while this runs."
    )
    try:
        refuse_taken("collector", settings.collect_host, settings.collect_port, COLLECTOR_PORT)
    except EcomError as error:
        start_beside(settings, SHOP_LOG_NAME, "sandbox", "live")
        return f"{of_shop} They do not come through a collector: {error}"
    start_beside(settings, COLLECTOR_LOG_NAME, "collect", "--sandbox")
    collector = f"http://{settings.collect_host}:{settings.collect_port}"
    start_beside(settings, SHOP_LOG_NAME, "sandbox", "live", "--to", collector)
    return f"{of_shop}\n{port_line(collector, 'collector of events', COLLECTOR_PORT)}"


def port_line(address: str, what: str, moved_by: str) -> str:
    """Return a line about a port: what listens there, and what moves it."""
    return f"  {address:<28} {what} ({moved_by})"


def ui(
    port: Annotated[int, typer.Option(help="Port of Dagster's UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address that Dagster's UI listens on.")] = "127.0.0.1",
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Do not open the dashboard in a browser.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", help="Print Dagster's log here, not into ECOM_HOME/dagster.log."),
    ] = False,
) -> None:
    """Serve the dashboard and the HTTP API, and Dagster's UI with its daemon,
    so that schedules and sensors run.

    Where there is a display, the dashboard is opened in a browser.
    """
    from ecom_assets.interfaces.ui.guard import ui_access_of  # noqa: PLC0415 (loads Starlette)
    from ecom_assets.interfaces.ui.opening import has_display  # noqa: PLC0415 (loads webbrowser)
    from ecom_assets.orchestration.automation.ui_address import remember_address  # noqa: PLC0415 (loads pydantic)
    from ecom_assets.orchestration.rules import require_rules  # noqa: PLC0415 (loads Ibis)

    settings = load_settings()
    own_data = take_own_data(settings)
    settings = load_settings() if own_data else settings
    require_rules(settings)
    ui_access_of(
        host, settings
    )  # raises if unauthenticated requests from other machines would be let in
    require_history(prepare_dagster_home(settings), thorough=True)
    refuse_taken("UI", host, port)
    # A shell starts background jobs with SIGINT ignored, and Dagster then ignores other requests to
    # stop as well.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    remember_address(settings, host, port)
    page, refused = dashboard_address(settings), start_api(settings)
    api = f"http://{settings.api_host}:{settings.api_port}"
    messages = (
        f"Your shop: {page}",
        own_data,
        refused or port_line(api, "dashboard and HTTP API", API_PORT),
        port_line(f"http://{host}:{port}", "Dagster: runs, schedules, tables", "--port"),
        start_shop(settings),
        f"They log into {settings.home}; stop them with Ctrl-C.",
    )
    for message in messages:
        if message:
            typer.echo(message)
    if not no_open and has_display(environment_with({})):
        open_later(page)
    # Hide the advice of `dagster dev` to use `dg dev`, which is not part of a small install.
    program = [
        sys.executable,
        "-W",
        "ignore:Function `dev_command`",
        "-m",
        "ecom_assets.interfaces.ui.development",
    ]
    options = ["-w", str(WORKSPACE), "--port", str(port), "--host", host]
    if not verbose:
        program += [str(_leave_terminal(settings)), str(settings.home / DAGSTER_LOG_NAME)]
    sys.stdout.flush()
    os.execv(program[0], [*program, *options])  # noqa: S606 (our own interpreter)


def _leave_terminal(settings: Settings) -> int:
    """Let this process and its children print into Dagster's log, and return the file descriptor of
    the terminal, for the one sentence at the end.
    """
    terminal = os.dup(sys.stderr.fileno())
    os.set_inheritable(terminal, True)  # noqa: FBT003 (positional in os)
    log = open_log(settings, DAGSTER_LOG_NAME)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.close(log)
    return terminal


def prepare_server(server_name: str, settings: Settings) -> None:
    """Make what was written private,
    and raise as `refuse_taken` if a server cannot listen at the API's address.
    """
    close_to_others(written_paths(settings), settings.home)
    refuse_taken(server_name, settings.api_host, settings.api_port)


def refuse_taken(
    server_name: str, host: str, port: int, moved_by: str = "--host or --port"
) -> None:
    """Raise if a server cannot listen at an address; the message names what moves it.

    Raises:
        UsageError: Another program listens there, or the address is not of this machine.
    """
    try:
        with socket.create_server((host, port)):
            return
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"The {server_name} cannot listen at {host}:{port} ({system_reason(error)}); give "
            f"{moved_by} another value."
        ) from error

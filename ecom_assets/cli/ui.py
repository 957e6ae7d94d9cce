"""`ecom ui`: serve Dagster's UI with its daemon, and the HTTP API."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ecom_assets.core.errors import EcomError, UsageError, system_reason
from ecom_assets.core.settings.environment import environment_with, hand_on
from ecom_assets.core.settings.home import close_to_others, require_history
from ecom_assets.core.settings.settings import (
    Settings,
    load_settings,
    prepare_dagster_home,
    written_paths,
)
from ecom_assets.interfaces.ui.services import LocalServer, services_text

WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"
API_PORT, COLLECTOR_PORT = "ECOM_API_PORT", "ECOM_COLLECT_PORT"
"""What moves the port of a server that `ecom ui` starts beside Dagster's UI."""
EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 (compared with, not listened on)
LOG_NAME, SHOP_LOG_NAME, COLLECTOR_LOG_NAME = "api.log", "sandbox.log", "collector.log"
DAGSTER_LOG_NAME = "dagster.log"


def api_service(settings: Settings) -> LocalServer | str:
    """Return the API as a service, or a message if it cannot start: the UI runs without it then."""
    from ecom_assets.interfaces.api.auth.access import credentials_of, refuse_open_access  # noqa: PLC0415 (loads Starlette)

    try:
        refuse_taken("API", settings.api_host, settings.api_port, API_PORT)
        refuse_open_access(settings, credentials_of(settings))
    except EcomError as error:
        return f"The dashboard and the HTTP API do not come up: {error}"
    return command_service(settings, "the dashboard and the HTTP API", LOG_NAME, "api")


def dashboard_address(settings: Settings) -> str:
    """Return where the dashboard is reached from this machine."""
    return f"{local_address(settings.api_host, settings.api_port)}/dashboard/"


def local_address(host: str, port: int) -> str:
    """Return where a server that listens at a host is reached from this machine."""
    name = "127.0.0.1" if host in EVERYWHERE else host
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def open_later(address: str) -> None:
    """Open a page in a browser once it answers, beside this process."""
    program = [sys.executable, "-m", "ecom_assets.interfaces.ui.opening", address]
    nowhere = subprocess.DEVNULL
    subprocess.Popen(program, stdin=nowhere, stdout=nowhere, stderr=nowhere)  # noqa: S603 (our own)


def command_service(settings: Settings, name: str, log_name: str, *command: str) -> LocalServer:
    """Return a command that ends with who starts it as a service; what it prints is its log."""
    program = (
        sys.executable,
        "-c",
        "from ecom_assets.cli import main; main()",
        *command,
        "--until-parent-ends",
    )
    return LocalServer(name, program, str(settings.home / log_name))


def dagster_services(
    host: str, port: int, folder: Path, log: str, after: str = ""
) -> list[LocalServer]:
    """Return Dagster's code server, its webserver behind our guard, and its daemon, as services.

    Each is started again alone: the other two find the code server by its socket, in a folder that
    is theirs. Where the dashboard comes up, they begin `after` it answers.
    """
    import yaml  # noqa: PLC0415 (slow, and needed here only)

    (loaded,) = yaml.safe_load(WORKSPACE.read_text(encoding="utf-8"))["load_from"]
    module, name = loaded["python_module"]["module_name"], loaded["python_module"]["location_name"]
    socket_path, workspace = str(folder / "code.sock"), folder / "workspace.yaml"
    location = {
        "location_name": name,
        "socket": socket_path,
        "additional_metadata": {"module_name": module},
    }
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": location}]}))
    code = ("dagster", "code-server", "start", "-m", module, "--socket", socket_path)
    options = ("--location-name", name, "--log-level", "warning")
    of_workspace = ("--workspace", str(workspace))
    webserver = ("ecom_assets.interfaces.ui.webserver", "--host", host, "--port", str(port))
    return [
        LocalServer(
            "Dagster's code server", _until_end(*code, *options), log, socket_path, after=after
        ),
        LocalServer(
            "Dagster's webserver",
            _until_end(*webserver, *of_workspace),
            log,
            after=socket_path,
            address=local_address(host, port),
            ready=port_line(f"http://{host}:{port}", "Dagster: runs, schedules, tables", "--port"),
        ),
        LocalServer(
            "Dagster's daemon",
            _until_end("dagster._daemon", "run", *of_workspace),
            log,
            after=socket_path,
        ),
    ]


def _until_end(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command for a module that ends with this process, or what replaces it."""
    wrapper = ("-m", "ecom_assets.interfaces.ui.until_parent_ends", str(os.getpid()))
    return (sys.executable, *wrapper, module, *arguments)


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


def shop_services(settings: Settings) -> tuple[list[LocalServer], str]:
    """Return what delivers the events of today in a sandbox shop that grows, as services,
    and a message for the user.

    In a home in which nobody has chosen that shop, nothing but a process that waits until somebody
    does.
    """
    from ecom_assets.ingestion.sources.sandbox_shop import grows, is_made  # noqa: PLC0415 (loads Ibis)

    if not grows(settings):
        return [], ""
    live = partial(command_service, settings, "the sandbox shop", SHOP_LOG_NAME, "sandbox", "live")
    if not is_made(settings):
        return [live("--once-chosen")], (
            "Nothing is loaded here yet: bring in your files on that page, or look around in a "
            "sample shop first."
        )
    of_shop = (
        "Nothing was given: this is the sandbox shop, whose events of today arrive while this runs."
    )
    try:
        refuse_taken("collector", settings.collect_host, settings.collect_port, COLLECTOR_PORT)
    except EcomError as error:
        return [live()], f"{of_shop} They do not come through a collector: {error}"
    collector = command_service(
        settings, "the collector of events", COLLECTOR_LOG_NAME, "collect", "--sandbox"
    )
    address = f"http://{settings.collect_host}:{settings.collect_port}"
    line = port_line(address, "collector of events", COLLECTOR_PORT)
    return [collector, live("--to", address)], f"{of_shop}\n{line}"


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
    settings = load_settings()
    typer.echo(
        f"Starting the dashboard and Dagster; they log into {settings.home}, and Ctrl-C stops them."
    )
    sys.stdout.flush()
    from ecom_assets.interfaces.ui.guard import ui_access_of  # noqa: PLC0415 (loads Starlette)
    from ecom_assets.interfaces.ui.opening import has_display  # noqa: PLC0415 (loads webbrowser)
    from ecom_assets.orchestration.automation.ui_address import remember_address  # noqa: PLC0415 (loads pydantic)
    from ecom_assets.orchestration.rules import require_rules  # noqa: PLC0415 (loads Ibis)

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
    remember_address(settings.home, host, port)
    page, api_or_refusal = dashboard_address(settings), api_service(settings)
    of_shop, about_shop = shop_services(settings)
    refused = (api_or_refusal, about_shop) if isinstance(api_or_refusal, str) else ()
    for message in (own_data, *refused):
        if message:
            typer.echo(message)
    log = "" if verbose else str(settings.home / DAGSTER_LOG_NAME)
    folder = Path(tempfile.mkdtemp(prefix="ecom-ui-"))
    if isinstance(api_or_refusal, str):
        services = [*dagster_services(host, port, folder, log), *of_shop]
    else:
        api = f"http://{settings.api_host}:{settings.api_port}"
        lines = (
            f"Your shop: {page}",
            port_line(api, "dashboard and HTTP API", API_PORT),
            about_shop,
        )
        dashboard = replace(api_or_refusal, address=page, ready="\n".join(filter(None, lines)))
        others = [*dagster_services(host, port, folder, log, after=page), *of_shop]
        services = [dashboard, *(replace(each, after=each.after or page) for each in others)]
        if not no_open and has_display(environment_with({})):
            open_later(page)
    terminal = os.dup(sys.stderr.fileno())
    os.set_inheritable(terminal, True)  # noqa: FBT003 (positional in os)
    program = [sys.executable, "-m", "ecom_assets.interfaces.ui.supervisor"]
    sys.stdout.flush()
    # With little in memory, this process keeps the others up.
    os.execv(program[0], [*program, services_text(services), str(terminal), str(folder)])  # noqa: S606 (our own interpreter)


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

"""`dagster-webserver` behind the guard, with all its options.

It is `python -m ecom_assets.interfaces.ui.webserver -h HOST -p PORT …`. Dagster's command parses
the options and opens the instance and the workspace. This module then serves the UI instead.
"""

import logging
import sys
from contextlib import suppress
from typing import Any

import uvicorn
from dagster_webserver import cli
from dagster_webserver.app import create_app_from_workspace_process_context

from ecom_assets.core.errors import EcomError
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.interfaces.ui.guard import UiAccess, UiGuard, ui_access_of
from ecom_assets.orchestration.automation.ui_address import remember_address

SERVES = "host_dagster_ui_with_workspace_process_context"
"""The name of the function that Dagster's command calls to serve the UI."""


def main() -> None:
    """Serve the UI, or fail rather than serve it without the guard.

    Raises:
        RuntimeError: This version of Dagster serves its UI in another way.
    """
    if not hasattr(cli, SERVES):
        raise RuntimeError(
            f"dagster-webserver has no {SERVES} any more: the guard of its UI has to be fitted "
            "again."
        )
    setattr(cli, SERVES, serve_guarded)
    cli.dagster_webserver(auto_envvar_prefix="DAGSTER_WEBSERVER")


def serve_guarded(  # noqa: PLR0913, PLR0917 (called by Dagster)
    context: Any,  # noqa: ANN401 (its class is not public in Dagster)
    host: str | None,
    port: int | None,
    path_prefix: str,
    log_level: str,
    live_data_poll_rate: int | None = None,
) -> None:
    """Serve the UI of a workspace behind the guard, in place of Dagster's function `SERVES`."""
    host = cli.DEFAULT_WEBSERVER_HOST if host is None else host
    port = port or cli.DEFAULT_WEBSERVER_PORT
    access, rate = _access(host)
    # Note the address for links in e-mails, where the folder of the platform is there.
    settings = load_settings()
    if settings.home.is_dir():
        with suppress(OSError):  # the UI may run where the folder cannot be written
            remember_address(settings.home, host, port)
    app = create_app_from_workspace_process_context(context, path_prefix, live_data_poll_rate)
    logging.getLogger(cli.WEBSERVER_LOGGER_NAME).info(
        "Serving dagster-webserver on http://%s:%s%s", host, port, path_prefix
    )
    uvicorn.run(UiGuard(app, access, rate, path_prefix), host=host, port=port, log_level=log_level)


def _access(host: str) -> tuple[UiAccess, str]:
    try:
        settings = load_settings()
        return ui_access_of(host, settings), settings.rate_limit_address
    except EcomError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()

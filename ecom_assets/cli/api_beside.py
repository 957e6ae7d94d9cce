"""The HTTP API as a process beside Dagster's UI. Not here: what it serves (`api/`)."""

import os
import subprocess
import sys

from ecom_assets.cli.platform_commands import refuse_taken
from ecom_assets.errors import EcomError
from ecom_assets.settings import Settings

LOG_NAME = "api.log"


def start_api(settings: Settings) -> str:
    """Start it, to end when this process does, and return what to tell the person.

    If it cannot start, that is told, and the UI comes up without it.
    """
    from ecom_assets.api.front import credentials_of, refuse_open_door  # noqa: PLC0415 (loads FastAPI)

    try:
        refuse_taken("API", settings.api_host, settings.api_port)
        refuse_open_door(settings, credentials_of(settings))
    except EcomError as error:
        return f"The HTTP API does not come up: {error}"
    settings.home.mkdir(parents=True, exist_ok=True)
    log = settings.home / LOG_NAME
    program = [sys.executable, "-c", "from ecom_assets.cli import main; main()", "api", "--until-parent-ends"]
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        # Dagster takes this process over; the API notices by itself when it ends.
        subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=opened, stderr=opened)  # noqa: S603 (our own)
    finally:
        os.close(opened)
    return f"The HTTP API comes up at http://{settings.api_host}:{settings.api_port}; its log is {log}."

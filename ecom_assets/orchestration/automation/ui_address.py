"""Where people reach Dagster's UI, for links in e-mails and answers."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ecom_assets.core.settings.home import is_of_dagster_dev
from ecom_assets.core.settings.settings import Settings

DEFAULT = "http://127.0.0.1:3000"
REMEMBERED = "ui_address"
"""The file in `ECOM_HOME` that says where `ecom ui` or `dagster dev` was started last."""
EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 (compared with, not listened on)


def dagster_address(settings: Settings) -> str:
    """Return the address that is set, else where `ecom ui` or `dagster dev` was started last,
    else the default.
    """
    return settings.dagster_url or _remembered(settings.home) or DEFAULT


def has_address(settings: Settings) -> bool:
    """Return whether a UI is set, or was started over this home."""
    return bool(settings.dagster_url or _remembered(settings.home))


def remember_address(home: Path, host: str, port: int) -> str:
    """Note where the UI comes up, for runs and daemons that begin elsewhere; return the address."""
    name = socket.gethostname() if host in EVERYWHERE else host
    address = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    home.mkdir(parents=True, exist_ok=True)
    (home / REMEMBERED).write_text(f"{address}\n", encoding="utf-8")
    return address


def remember_address_of_dev(settings: Settings) -> None:
    """Note where the UI of `dagster dev` comes up, in a process that it started;
    do nothing in any other.

    Its webserver is Dagster's own, whose port no other process knows. Where no port was asked for
    and 3000 is in use, Dagster takes another one, which is not known.
    """
    if not is_of_dagster_dev() or (command := next(_dev_commands(os.getpid()), None)) is None:
        return
    host = _option(command, "-h", "--host") or "127.0.0.1"
    port = _option(command, "-p", "--port") or "3000"
    with contextlib.suppress(OSError):  # links are no reason not to start
        remember_address(settings.home, host, int(port) if port.isdecimal() else 3000)


def _dev_commands(process: int) -> Iterator[list[str]]:
    """Yield the arguments of each `dagster dev` among the processes that started a process,
    the nearest first.
    """
    while process > 1:
        try:
            process, command = _parent_and_command(process)
        except (OSError, ValueError, subprocess.SubprocessError):
            return
        names = [Path(part).name for part in command]
        if "dagster" in names and "dev" in names[names.index("dagster") :][1:2]:
            yield command


def _parent_and_command(process: int) -> tuple[int, list[str]]:
    """Return the process that started a process, and the arguments of that process itself."""
    folder = Path("/proc") / str(process)
    if folder.exists():
        parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        return parent, (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    asked = ["ps", "-o", "ppid=,args=", "-p", str(process)]
    parent_text, *command = subprocess.run(  # noqa: S603 (of ours)
        asked, capture_output=True, text=True, check=True
    ).stdout.split()
    return int(parent_text), command


def _option(command: Sequence[str], *names: str) -> str:
    """Return the value of an option of a command line; empty without it."""
    for name in names:
        for position, part in enumerate(command):
            if part == name:
                return next(iter(command[position + 1 :]), "")
            if part.startswith(f"{name}="):
                return part.removeprefix(f"{name}=")
    return ""


def _remembered(home: Path) -> str:
    try:
        address = (home / REMEMBERED).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return address if urlsplit(address).scheme == "http" else ""

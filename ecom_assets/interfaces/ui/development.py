"""`dagster dev` with the guarded webserver: `python -m ecom_assets.interfaces.ui.development`,
with the same options.

With a file descriptor of a terminal and the path of a log before the options, it says there in one
sentence that it stops, and all else goes into the log.

Dagster starts the webserver, the daemon and the code server as usual. Only the module of the
webserver is replaced.
"""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import click

# Until `dagster dev` lets the webserver be named; Dagster's public commands each load the code
# location again.
from dagster._cli import dev

DAGSTER_WEBSERVER, GUARDED_WEBSERVER, DAEMON = (
    "dagster_webserver",
    "ecom_assets.interfaces.ui.webserver",
    "dagster._daemon",
)
STARTS = "open_ipc_subprocess"
"""The name of the function that Dagster's command calls to start the webserver and the daemon."""
_open = getattr(dev, STARTS)
STOPPED: Final = "Stopping the dashboard, Dagster and its schedules; `ecom ui` starts them again."
INTERRUPTED: Final = 130
"""The exit code that shells expect of a program stopped by Ctrl-C."""


@dataclass
class Terminal:
    """Where the person sits who started this, and where the log is."""

    descriptor: int
    log: str
    has_stopped: bool = False

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Say once that all stops, and end what runs as Dagster expects."""
        if not self.has_stopped:
            self.has_stopped = True
            self.say(STOPPED)
            raise KeyboardInterrupt

    def say(self, sentence: str) -> None:
        """Print a line."""
        after_sign = "\r" if os.isatty(self.descriptor) else ""  # over `^C`
        with suppress(OSError):  # such as a terminal that was closed
            os.write(self.descriptor, f"{after_sign}{sentence}\n".encode())


def main() -> None:
    """Run `dagster dev` with the guarded webserver, until Ctrl-C."""
    setattr(dev, STARTS, open_guarded)
    if not sys.argv[1:2] or not sys.argv[1].isdecimal():
        dev.dev_command(auto_envvar_prefix="DAGSTER_DEV")
    descriptor, log, *options = sys.argv[1:]
    _run_behind(Terminal(int(descriptor), log), options)


def _run_behind(terminal: Terminal, options: Sequence[str]) -> None:
    """Run it with what is said on the terminal; Dagster takes SIGTERM as Ctrl-C."""
    signal.signal(signal.SIGINT, terminal.stop)
    try:
        dev.dev_command(list(options), auto_envvar_prefix="DAGSTER_DEV", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(INTERRUPTED)
    finally:
        if not terminal.has_stopped:
            terminal.say(f"Dagster ended by itself: {terminal.log} says why.")


def open_guarded(parts: Sequence[str], **options: Any) -> Any:  # noqa: ANN401 (Dagster's signature)
    """Start one of Dagster's processes, with our webserver in place of Dagster's.

    Raises:
        RuntimeError: This version of Dagster starts a process that is neither the webserver nor the
            daemon.
    """
    if DAGSTER_WEBSERVER not in parts and DAEMON not in parts:
        raise RuntimeError(
            f"dagster dev starts what is not known here ({list(parts)[:3]}): fit the guard of its "
            "UI again."
        )
    return _open(
        [GUARDED_WEBSERVER if part == DAGSTER_WEBSERVER else part for part in parts], **options
    )


if __name__ == "__main__":
    main()

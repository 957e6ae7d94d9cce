"""The `ecom` command, one file per subject.

Large libraries are imported only when a command needs them.
"""

import atexit
import os
import sys
import threading
from typing import NoReturn

from ecom_assets.core.dataclass_methods import share_methods
from ecom_assets.core.gc_tuning import collect_rarely
from ecom_assets.core.ibis_compilers import import_when_used
from ecom_assets.core.settings.home import keep_private


def main() -> None:
    """Run the command line and end the process; the entry point of the `ecom` command."""
    try:
        command()
    except SystemExit as end:
        leave(end)


def command() -> None:
    """Run the command line."""
    keep_private()
    collect_rarely()  # before large libraries are imported, which creates many objects too
    share_methods()
    import_when_used()
    from ecom_assets.cli.app import run  # noqa: PLC0415 (Typer is loaded for commands only)

    run()


def leave(end: SystemExit) -> NoReturn:
    """Exit as Python does, but without freeing memory object by object,
    which takes a second after `ecom run`.

    Raises:
        SystemExit: `end`, for the usual exit: its code is a message, or output fails.
    """
    if not isinstance(end.code, int | None):
        raise end
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 (waits for other threads; there is no public name)
    atexit._run_exitfuncs()  # noqa: SLF001 (there is no public function for it)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # the reader of the output is gone: Python has its own exit code for that
        raise end from None
    os._exit(end.code or 0)

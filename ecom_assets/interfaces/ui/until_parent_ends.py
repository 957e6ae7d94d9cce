"""Runs a module until its parent process ends: `python -m
ecom_assets.interfaces.ui.until_parent_ends PARENT MODULE ARGUMENT…`.

Dagster's webserver, daemon and code server would go on without who started them.
"""

import os
import runpy
import signal
import sys
import threading
import time
from typing import Final

from ecom_assets.core.dataclass_methods import share_methods
from ecom_assets.core.gc_tuning import collect_rarely

LOOK_EVERY_S: Final = 1.0
STOPS_WITHIN_S: Final = 30.0


def main() -> None:
    """Run the module, with its arguments."""
    parent, module, *arguments = sys.argv[1:]
    threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    collect_rarely()  # each of them imports Dagster
    share_methods()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with(parent: int) -> None:
    """End this process, and those that it started, once its parent has ended."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    _signal(signal.SIGINT)
    time.sleep(STOPS_WITHIN_S)
    _signal(signal.SIGKILL)


def _signal(number: int) -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(0, number)
    else:
        os.kill(os.getpid(), number)


if __name__ == "__main__":
    main()

"""`python -m ecom_sandbox.vendors`: the vendor stand-ins in a process of their own,
until it is ended.

Its first line on standard output is JSON: the settings that point at them.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from ecom_assets.core.errors import EcomError
from ecom_assets.core.settings.home import keep_private
from ecom_sandbox.vendors.faults import NO_FAULTS
from ecom_sandbox.vendors.running import running_receivers, some_faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal ends the process, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ecom_sandbox.vendors", description=__doc__)
    parser.add_argument(
        "--request-logs",
        type=Path,
        help="folder of the request logs; without it nothing is written",
    )
    parser.add_argument("--no-rates", action="store_true", help="accept any number of records")
    parser.add_argument(
        "--faults", action="store_true", help="let everything go wrong now and then"
    )
    options = parser.parse_args(arguments)
    keep_private()
    end = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    faults = some_faults() if options.faults else NO_FAULTS
    try:
        with running_receivers(
            request_logs=options.request_logs, faults=faults, has_rates=not options.no_rates
        ) as running:
            sys.stdout.write(json.dumps(running.environment()) + "\n")
            sys.stdout.flush()
            end.wait()
    except EcomError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`dagster dev` with the guarded webserver: `python -m ecom_assets.interfaces.ui.development`,
with the same options.

Dagster starts the webserver, the daemon and the code server as usual. Only the module of the
webserver is replaced.
"""

from collections.abc import Sequence
from typing import Any

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


def main() -> None:
    """Run `dagster dev` with the guarded webserver, until Ctrl-C."""
    setattr(dev, STARTS, open_guarded)
    dev.dev_command(auto_envvar_prefix="DAGSTER_DEV")


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

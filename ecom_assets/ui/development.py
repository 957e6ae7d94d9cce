"""`dagster dev` whose webserver stands behind our guard: `python -m ecom_assets.ui.development`, with its options.

Dagster starts the webserver, the daemon and the server of our code as it does; only the webserver's module is ours.
"""

from collections.abc import Sequence
from typing import Any

from dagster._cli import dev

THEIRS, OURS, DAEMON = "dagster_webserver", "ecom_assets.ui.webserver", "dagster._daemon"
STARTS = "open_ipc_subprocess"
"""What Dagster's command starts each of its processes by."""
_open = getattr(dev, STARTS)


def main() -> None:
    """Start all of them, until Ctrl-C."""
    setattr(dev, STARTS, open_guarded)
    dev.dev_command(auto_envvar_prefix="DAGSTER_DEV")


def open_guarded(parts: Sequence[str], **options: Any) -> Any:  # noqa: ANN401 (as Dagster's)
    """Start a process of Dagster's, in place of its webserver ours.

    Raises:
        RuntimeError: It is neither the webserver nor the daemon, as this version of Dagster starts others.
    """
    if THEIRS not in parts and DAEMON not in parts:
        raise RuntimeError(
            f"dagster dev starts what is not known here ({list(parts)[:3]}): fit the guard of its UI again."
        )
    return _open([OURS if part == THEIRS else part for part in parts], **options)


if __name__ == "__main__":
    main()

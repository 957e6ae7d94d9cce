"""The names of settings in the environment and in `.env`: which are known, and former names."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from dotenv import dotenv_values

from ecom_assets.errors import SettingError, nearest

FORMER_NAMES = {
    f"ECOM_API_{name}": f"ECOM_SOURCE_{name}"
    for name in ("CONCURRENCY", "CONNECT_TIMEOUT_S", "READ_TIMEOUT_S", "RETRY_BASE_S", "MAX_WAIT_S")
}
"""The former names of settings, with their names now: `ECOM_API_…` is about the API that we serve."""
_logged: set[str] = set()


def refuse_unknown_names(known: Iterable[str], environment: Mapping[str, str]) -> None:
    """Check that every variable that begins with `ECOM_` is a setting.

    Raises:
        SettingError: One is not.
    """
    names = {*known, *FORMER_NAMES}
    for name in [*environment, *_in_dotenv()]:
        if name.upper().startswith("ECOM_") and name.upper() not in names:
            near = nearest(name, names - FORMER_NAMES.keys())
            hint = f"did you mean {near}?" if near else f"known are {', '.join(sorted(names))}."
            raise SettingError(f"{name} is not a setting of ecom_assets; {hint}")


def values_of_former_names(prefix: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what is set by former names only, by the fields of `Settings`; each is warned about once in a process."""
    given = {name.upper(): value for name, value in [*_in_dotenv().items(), *environment.items()] if value}
    values = {}
    for former, name in FORMER_NAMES.items():
        if former in given:
            _log_once(former, name)
            if name not in given:
                values[name.removeprefix(prefix).lower()] = given[former]
    return values


def _log_once(former: str, name: str) -> None:
    if former not in _logged:
        _logged.add(former)
        sys.stderr.write(f"ecom: {former} is called {name} now; the old name works for now.\n")


def _in_dotenv() -> dict[str, str | None]:
    path = Path(".env")
    try:
        return dotenv_values(path) if path.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{path.absolute()} cannot be read as UTF-8 text; fix it, or move it away.") from error

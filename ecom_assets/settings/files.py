"""The files in the working folder that settings are read from: `ecom.toml` and `.env`."""

import tomllib
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values

from ecom_assets.errors import SettingError

SHOP_FILE: Final = "ecom.toml"
"""The file in the working folder with what `ecom init` has asked: settings by name, without `ECOM_`."""


def in_shop_file() -> dict[str, Any]:
    """Return the settings in the working folder's `ecom.toml`, by name; none without such a file.

    Raises:
        SettingError: The file cannot be read.
    """
    path = Path(SHOP_FILE)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise SettingError(f"{path.absolute()} cannot be read as TOML ({error}); fix it, or move it away.") from error


def in_dotenv() -> dict[str, str | None]:
    """Return the variables in the working folder's `.env`; none without such a file.

    Raises:
        SettingError: The file cannot be read.
    """
    path = Path(".env")
    try:
        return dotenv_values(path) if path.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{path.absolute()} cannot be read as UTF-8 text; fix it, or move it away.") from error

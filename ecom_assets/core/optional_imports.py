"""Imports of optional packages: if one is missing, the error names the extra to install."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ecom_assets.core.errors import SettingError


@contextmanager
def packages_of(extra: str, feature: str) -> Iterator[None]:
    """Turn a failed import inside the block into an error that says how to install the extra.

    Raises:
        SettingError: A package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).startswith("ecom_assets"):
            raise
        raise SettingError(
            f"{feature} needs packages that are not installed ({error.name} is missing); in the "
            f"checkout, run {sys.executable} -m pip install -e '.[{extra}]'."
        ) from error

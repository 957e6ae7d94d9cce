"""Packages that only some engines and sources need: imported here, or an error says which extra has them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ecom_assets.errors import SettingError


@contextmanager
def packages_of(extra: str, what: str) -> Iterator[None]:
    """Say how to install the packages of an extra where an import inside fails for want of them.

    Raises:
        SettingError: One is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).startswith("ecom_assets"):
            raise
        raise SettingError(
            f"{what} needs packages that are not installed ({error.name} is missing); in the checkout, run "
            f"{sys.executable} -m pip install -e '.[{extra}]'."
        ) from error

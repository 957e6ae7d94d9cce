"""Access rules for Dagster's UI: loopback only, the login of a proxy in front, or an API key of scope `admin`."""

import ipaddress
from dataclasses import dataclass

from ecom_assets.api.auth.guard import Credentials, is_loopback_name
from ecom_assets.api.middleware.request_context import credentials_of
from ecom_assets.errors import UsageError
from ecom_assets.settings.settings import Settings


@dataclass(frozen=True)
class Door:
    """What a request needs to be let through.

    Attributes:
        credentials: The keys and tokens for the login; None if no login is needed.
        hosts: The allowed host names, in addition to the loopback names; None to allow any.
    """

    credentials: Credentials | None
    hosts: frozenset[str] | None

    def knows_host(self, host: str) -> bool:
        """Return whether a `Host` header, with or without a port, names the UI."""
        return self.hosts is None or is_loopback_name(host) or _name_of(host) in self.hosts


def door_of(host: str, settings: Settings) -> Door:
    """Return the access rules for the address that the UI listens on.

    Raises:
        UsageError: The UI would be open to other machines without a login.
        EcomError: A setting is wrong, or the keys cannot be read.
    """
    names = frozenset(name.lower() for name in settings.ui_hosts)
    if is_this_machine(host) or settings.ui_login == "proxy":
        return Door(None, names)
    credentials = credentials_of(settings)
    if not credentials.are_needed():
        raise UsageError(
            f"Dagster's UI would be open to everybody who reaches {host}; make a key for its login with `ecom api-key "
            "create --name NAME --scope admin`, or set ECOM_UI_LOGIN=proxy behind a proxy that has a login, or listen "
            "on 127.0.0.1."
        )
    return Door(credentials, names or None)


def is_this_machine(address: str) -> bool:
    """Return whether a listen address can be reached only from this machine."""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _name_of(host: str) -> str:
    return (host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]).lower()

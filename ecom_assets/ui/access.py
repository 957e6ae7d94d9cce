"""Who is let into Dagster's UI, by where it listens: this machine, holders of an admin key, or whom a proxy lets in."""

import ipaddress
from dataclasses import dataclass

from ecom_assets.api.auth.guard import Credentials, is_loopback_name
from ecom_assets.api.middleware.request_context import credentials_of
from ecom_assets.errors import UsageError
from ecom_assets.settings.settings import Settings


@dataclass(frozen=True)
class Door:
    """What a request must have to pass.

    Attributes:
        credentials: What lets people log in; None where they need not.
        hosts: Names, besides those of this machine for itself, by which the UI may be asked; None for any.
    """

    credentials: Credentials | None
    hosts: frozenset[str] | None

    def knows_host(self, host: str) -> bool:
        """Tell whether a `Host`, with a port or without, is a name of the UI."""
        return self.hosts is None or is_loopback_name(host) or _name_of(host) in self.hosts


def door_of(host: str, settings: Settings) -> Door:
    """Return who is let in where the UI listens at an address.

    Raises:
        UsageError: It would listen beyond this machine without a login.
        EcomError: The keys cannot be read.
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
    """Tell whether only this machine reaches an address to listen on."""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _name_of(host: str) -> str:
    return (host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]).lower()

"""The servers that `ecom ui` keeps up, as it hands them to its supervisor."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class LocalServer:
    """A server that is kept up.

    Attributes:
        name: What people call it, such as `Dagster's daemon`.
        command: The program and its arguments.
        log: The file for what it prints; empty for the terminal.
        socket: The socket on which Dagster's code server answers; empty for other services.
        after: The socket or address that must answer before it is started the first time; empty
            for none.
        address: Where it answers over HTTP; empty for other services.
        ready: What is said when it answers at its address the first time.
    """

    name: str
    command: tuple[str, ...]
    log: str = ""
    socket: str = ""
    after: str = ""
    address: str = ""
    ready: str = ""


def services_text(services: Iterable[LocalServer]) -> str:
    """Return services as JSON."""
    return json.dumps([asdict(service) for service in services])


def services_of(text: str) -> list[LocalServer]:
    """Return the services of a JSON text."""
    return [LocalServer(**{**each, "command": tuple(each["command"])}) for each in json.loads(text)]

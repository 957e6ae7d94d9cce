"""Which connections a server serves: so many in all, so many of one address,
and a reserve that health checks have.
"""

import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol

from ecom_assets.core.http_server.addresses import counted_address

MOST_RESERVED: Final = 256
"""Connections beyond the bounds: each may send one request,
and only a health check is answered with more than 503.
"""


class AdmittedConnection(Protocol):
    """What the server has to do with a connection in the reserve:
    hang up when another one needs its position.
    """

    def hang_up(self) -> None:
        """Close it at once."""


@dataclass
class Admission:
    """The connections of one server process.

    A connection is served, or else it is in the reserve, whose oldest one gives way to a new one.
    So whatever others hold, the next connection can send the few bytes of a health check.
    """

    most: int
    most_per_address: int
    trusted_proxies: Sequence[str] = ()
    _served: dict[AdmittedConnection, str] = field(default_factory=dict)
    _per_address: Counter[str] = field(default_factory=Counter)
    _reserve: dict[AdmittedConnection, None] = field(default_factory=dict)

    def add(self, connection: AdmittedConnection, address: str) -> bool:
        """Return whether a new connection is served; else it is put into the reserve."""
        if self.serve(connection, address):
            return True
        if len(self._reserve) >= MOST_RESERVED:
            oldest = next(iter(self._reserve))
            del self._reserve[oldest]
            oldest.hang_up()
        self._reserve[connection] = None
        return False

    def serve(self, connection: AdmittedConnection, address: str) -> bool:
        """Serve a connection, also one of the reserve, and return whether the bounds allow it."""
        name = "" if self._is_proxy(address) else counted_address(address)
        if len(self._served) >= self.most or (
            name and self._per_address[name] >= self.most_per_address
        ):
            return False
        self._reserve.pop(connection, None)
        self._served[connection] = name
        self._per_address[name] += 1
        return True

    def spare(self, connection: AdmittedConnection) -> None:
        """Let a connection of the reserve, which asks for the health,
        be the last that gives way.
        """
        if connection in self._reserve:
            del self._reserve[connection]
            self._reserve[connection] = None

    def remove(self, connection: AdmittedConnection) -> None:
        """Forget a connection that is closed."""
        self._reserve.pop(connection, None)
        name = self._served.pop(connection, None)
        if name is not None:
            self._per_address[name] -= 1
            if not self._per_address[name]:
                del self._per_address[name]

    @cached_property
    def _networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        return [ipaddress.ip_network(proxy, strict=False) for proxy in self.trusted_proxies]

    def _is_proxy(self, address: str) -> bool:
        """Return whether many clients may come from an address;
        one that is not of the network counts as such.
        """
        try:
            peer = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return True
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self._networks)

"""Addresses and host names of requests: which are of this machine, and how they are counted."""

import ipaddress
from urllib.parse import urlsplit


def is_loopback_name(host: str) -> bool:
    """Return whether a host, with or without a port, is a loopback name or address."""
    return is_loopback(
        host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    )


def is_loopback(address: str) -> bool:
    """Return whether an address, without a port, can be reached only from this machine."""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_origin_of(origin: str, host: str) -> bool:
    """Return whether an `Origin` header names the host of a `Host` header;
    the origin `null` never does.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:  # such as a bracket that is not closed
        return False
    port = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    is_named = bool(port and parts.netloc)
    return is_named and parts.netloc.lower().removesuffix(port) == host.lower().removesuffix(port)


def counted_address(address: str) -> str:
    """Return the name to count an address by; for IPv6 its /64 network,
    because a client can use all of it.

    An IPv4 address in the form of IPv6, as a socket for both has it, is the IPv4 address.
    """
    if ":" not in address:
        return address
    try:
        ip = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))

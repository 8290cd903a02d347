"""Which internet addresses are public, and where a host may be reached."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from app.tools.errors import ToolFailed

Resolve = Callable[[str, int], Sequence[str]]

WEB_PORTS = frozenset({80, 443, 8080, 8443})

# What some Python versions take for global although it reaches machines, relays or documentation.
_NOT_PUBLIC = tuple(
    ip_network(block)
    for block in (
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)
# Whose last 32 bits are the IPv4 address that is reached: NAT64, and the old compatible and translated forms.
_CARRIES_IPV4 = tuple(IPv6Network(block) for block in ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96"))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether `address` belongs to the public internet; for one that carries another, whether that one does."""
    inner = _carried(address)
    if inner is not None:
        return is_public(inner)
    if any(address in block for block in _NOT_PUBLIC if block.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def resolved(host: str, port: int) -> Sequence[str]:
    """Every address of `host`, as the system finds them. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def reachable(host: str, port: int, allowed: frozenset[str], resolve: Resolve) -> Sequence[str]:
    """The addresses to connect to for `host`, checked: nobody may look the name up again.

    `allowed` are `host:port` that may be private. Raises ToolFailed where the name has no address, the port is not for
    the web, or any of its addresses is not public.
    """
    is_allowed = authority(host, port) in allowed
    if not is_allowed and port not in WEB_PORTS:
        ports = ", ".join(str(each) for each in sorted(WEB_PORTS))
        raise ToolFailed(f"Port {port} is not fetched from; allowed are {ports}.")
    try:
        found = resolve(host, port)
    except (OSError, UnicodeError):
        found = ()
    if not found:
        raise ToolFailed(f"The host {host} was not found.")
    if not is_allowed and not all(is_public(ip_address(each)) for each in found):
        raise ToolFailed(f"The host {host} is not on the public internet, so nothing is fetched from it.")
    return found


def authority(host: str, port: int) -> str:
    """`host:port`, as operators write it in the list of allowed ones."""
    return f"[{host}]:{port}" if ":" in host else f"{host.lower()}:{port}"


def _carried(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if any(address in block for block in _CARRIES_IPV4) and int(address) > 0xFFFF:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour

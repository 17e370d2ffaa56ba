"""Which network addresses a request on behalf of a caller may go to. Pure.

A server that fetches or posts to an address a caller names can be used to reach what only it can
reach: its own host, its network, the metadata service of its cloud.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address

# IPv4 in IPv6 clothes: what is inside would have to be checked too, and nobody publishes these.
_WRAPPED = (
    IPv6Network("64:ff9b::/96"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2001::/32"),
    IPv6Network("2002::/16"),
)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet.

    Private, loopback, link-local, shared, reserved, multicast and unspecified ones are not, nor is
    what is not an address at all.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        if ip.scope_id is not None or any(ip in network for network in _WRAPPED):
            return False
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
    return ip.is_global and not ip.is_multicast


def is_address(host: str) -> bool:
    """Whether a host is given as an IP address and not by name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

"""Whose machine a host is, and whether a proxy leads there."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.request import getproxies, proxy_bypass


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address stands for this machine, which a proxy cannot reach."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_reached_directly(host: str) -> bool:
    """Whether a host is this machine, or named by NO_PROXY, be it by the network of its address (10.0.0.0/8)."""
    if is_this_machine(host) or proxy_bypass(host):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _spared_networks())


def _spared_networks() -> Iterator[IPv4Network | IPv6Network]:
    """Those that NO_PROXY names."""
    for entry in getproxies().get("no", "").split(","):
        try:
            yield ip_network(entry.strip(), strict=False)
        except ValueError:
            continue

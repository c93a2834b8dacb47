"""Whose machine a host is."""

from ipaddress import ip_address


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address stands for this machine, which a proxy cannot reach."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

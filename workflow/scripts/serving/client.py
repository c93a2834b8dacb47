"""What the clients of OpenAI-compatible servers share."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from basics.errors import InputError

KEY_VARIABLE = "OPENAI_API_KEY"


def host_of(base_url: str) -> str:
    """Raises InputError for an address that is none."""
    try:
        address = urlsplit(base_url)
        if address.port != 0 and address.hostname:
            return address.hostname
        fault = "no host, or port 0"
    except ValueError as error:
        fault = str(error)
    raise InputError(f"base_url {base_url!r} is no address ({fault}); mend it")


def is_local(base_url: str) -> bool:
    """Whether an address is of this machine, which no proxy can reach."""
    host = host_of(base_url)
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# What the openai client raises, beside its own errors, of an answer that is not of the protocol: HTML, a list, an
# object without its parts, JSON that is none.
GARBLED = (AttributeError, IndexError, TypeError, ValueError, RecursionError)

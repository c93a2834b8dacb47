"""What clients of OpenAI-compatible servers share: the `openai` client, its key, and how to read what comes back."""

import email.utils
import logging
import math
import os
import time
from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from basics.errors import InputError

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "OPENAI_API_KEY"
PASSING = {408, 409, 429}  # statuses of failures that may pass, beside all from 500
REFUSALS = {400, 413, 422}  # of a prompt that is too long or filtered: the same request would be refused again
NO_CREDIT = "insufficient_quota"  # the code of a 429 that does not pass

# What the openai client raises, beside its own errors, when an answer is not of the protocol: invalid JSON; or HTML, a
# list, an object that lacks its parts.
BROKEN_JSON = (ValueError, RecursionError)
GARBLED = (AttributeError, IndexError, TypeError, *BROKEN_JSON)

Answer = TypeVar("Answer")


class Garbled(Exception):
    """An answer that is not of the protocol, such as the page of a gateway, where the client raises nothing itself."""


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


def openai_client(base_url: str, key: str, timeout: float, max_retries: int) -> "OpenAI":
    """A client that waits `timeout` seconds for an answer, and repeats a request `max_retries` times by itself.

    It goes through the environment's proxies, except to this machine, and logs no request, whatever OPENAI_LOG says.
    """
    import openai

    logging.getLogger("openai").setLevel(logging.WARNING)
    return openai.OpenAI(
        api_key=key,
        base_url=base_url,
        timeout=timeout,
        max_retries=max_retries,
        http_client=openai.DefaultHttpxClient(trust_env=not is_local(base_url)),
    )


# ---- the key


def key_from_environment(variable: str, user: str) -> str:
    """The API key of `user`, which is named in messages. Raises InputError when it is unset, or cannot be sent."""
    key = os.environ.get(variable)
    if not key:
        raise InputError(f"{user}: no API key; set the environment variable {variable}")
    if not key.isascii() or not key.isprintable():  # no header can hold it, and what the client says of that misleads
        raise InputError(
            f"{user}: the API key in the environment variable {variable} holds a character that no"
            " key has, such as a typographic quote or a line end; set it again"
        )
    return key


def without_key(value: Any, key: str) -> Any:
    """A JSON value with the key cut out of all its texts. Parse JSON first: in its source the key may be escaped."""
    if isinstance(value, dict):
        return {name: without_key(inner, key) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_key(inner, key) for inner in value]
    return value.replace(key, "***") if isinstance(value, str) else value


def in_one_line(what: object, key: str) -> str:
    """What a server or the client says, for a message: without the key, and not too long."""
    return " ".join(without_key(str(what), key).split())[:400]


# ---- what comes back


def may_pass(error: Exception) -> bool:
    """Whether a request that failed with a status of the server, or without any, may succeed when it is repeated."""
    status = getattr(error, "status_code", None)
    has_credit = getattr(error, "code", None) != NO_CREDIT
    return has_credit and (status is None or status in PASSING or status >= 500)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait: its header's milliseconds, seconds or date; None where it does not say."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    try:
        return max(email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


def sound(answer: Answer) -> Answer:
    """The client's answer, which is text where the server sent no JSON, and otherwise any JSON. Raises Garbled."""
    if isinstance(answer, str):
        raise Garbled(f"an answer that is not JSON: {answer[:100]!r}")
    if not getattr(answer, "id", None):
        raise Garbled(f"an answer that is not what was asked for: {str(answer)[:100]!r}")
    return answer

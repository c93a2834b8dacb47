"""What clients of OpenAI-compatible servers share: the `openai` client, its key, and how to read responses."""

import email.utils
import logging
import math
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from basics.errors import InputError
from basics.hosts import is_this_machine

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "OPENAI_API_KEY"
TRANSIENT = {408, 409, 429}  # HTTP statuses worth a retry, besides all from 500
REFUSALS = {400, 413, 422}  # HTTP statuses for a prompt that is too long or filtered: a retry would be refused again
FORBIDDEN = 403  # HTTP status for a key without permission, and for a prompt that moderation refuses
NO_CREDIT = "insufficient_quota"  # error code of a 429 that is not transient
AMBIENT = (  # what the openai client would take from the environment, though no configuration names it
    "OPENAI_ADMIN_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_CUSTOM_HEADERS",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "OPENAI_WEBHOOK_SECRET",
)
LONGEST_LIST = 2**24  # bytes of a response that is no reply, such as a list of all models

# What the openai client raises, besides its own errors, when a response does not follow the protocol: invalid JSON; or
# HTML, a list, an object that lacks fields.
BROKEN_JSON = (ValueError, RecursionError)
GARBLED = (AttributeError, IndexError, TypeError, *BROKEN_JSON)

Answer = TypeVar("Answer")


class Garbled(Exception):
    """A response that does not follow the protocol, such as a gateway's HTML page, but raises nothing in the client."""


def host_of(base_url: str) -> str:
    """The host name in a URL. Raises InputError if the URL is not valid, or has a user name or password."""
    if "@" in base_url.partition("//")[2].partition("/")[0]:  # the client would send them in place of the key
        raise InputError(
            "base_url has a user name or a password before its host; take it out, and put the key into the environment"
            " variable that key_env names"
        )
    try:
        address = urlsplit(base_url)
        if address.port != 0 and address.hostname:
            return address.hostname
        fault = "no host, or port 0"
    except ValueError as error:
        fault = str(error)
    raise InputError(f"base_url {base_url!r} is not a valid URL ({fault}); correct it")


def is_local(base_url: str) -> bool:
    """Whether a URL points to this machine, which a proxy cannot reach."""
    return is_this_machine(host_of(base_url))


def longest_reply(max_tokens: int) -> int:
    """A bound on the bytes of a response with so many tokens: its text, escaped as JSON, and the reasoning, perhaps
    twice; a token has four bytes on average. The rest is for what endpoints add."""
    return 2**17 + 256 * max_tokens


def openai_client(
    base_url: str, key: str, timeout: float, max_retries: int, longest: int = LONGEST_LIST, step: int | None = None
) -> "OpenAI":
    """A client whose calls take at most `timeout` seconds, from the connection to the last of at most `longest` bytes,
    and which repeats a request up to `max_retries` times. With `step`, the time is for so many bytes of a file.

    Of the environment, it uses proxies, except for this machine, and nothing else: the variables of AMBIENT are removed
    from that of this process. It never logs requests, whatever OPENAI_LOG says. A redirect is an error.
    """
    import httpx2
    import openai

    from serving.transport import ApiTransport

    for name in AMBIENT:  # it looks for them again whenever it copies itself
        os.environ.pop(name, None)
    logging.getLogger("openai").setLevel(logging.WARNING)
    return openai.OpenAI(
        api_key=key,
        base_url=base_url,
        timeout=timeout,
        max_retries=max_retries,
        http_client=httpx2.Client(transport=ApiTransport(longest, step)),
    )


# ---- the key


def key_from_environment(variable: str, user: str) -> str:
    """The API key of `user`, the name for messages, without white space around it: no key has any, files often do, and
    what is sent must be what is cut out of texts. Raises InputError if it is not set, or cannot be sent."""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise InputError(f"{user}: no API key; set the environment variable {variable}")
    if not key.isascii() or not key.isprintable():  # no header can hold it, and the client's own message would mislead
        raise InputError(
            f"{user}: the API key in the environment variable {variable} holds a character that no key has, such as a"
            " typographic quote or a line end; set it again"
        )
    return key


def without_key(value: Any, key: str) -> Any:
    """A JSON value with the key removed from all strings. Parse JSON first: its source may contain the key escaped."""
    if isinstance(value, dict):
        return {name: without_key(inner, key) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_key(inner, key) for inner in value]
    return value.replace(key, "***") if isinstance(value, str) else value


def in_one_line(what: object, key: str) -> str:
    """A text from a server or the client, for a message or a file: in one line, without the key and half characters, at
    most 400 characters."""
    text = str(what).encode("utf-8", "replace").decode("utf-8")
    return " ".join(without_key(text, key).split())[:400]


# ---- responses


def is_transient(error: Exception) -> bool:
    """Whether a failed request, with or without an HTTP status, may succeed when it is repeated."""
    status = getattr(error, "status_code", None)
    has_credit = getattr(error, "code", None) != NO_CREDIT
    return has_credit and (status is None or status in TRANSIENT or status >= 500)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a response asks to wait, from headers in milliseconds, seconds or as a date; None without them."""
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


def checked_answer(answer: Answer) -> Answer:
    """The client's answer, unless it is text (the server did not send JSON) or lacks an id. Raises Garbled."""
    if isinstance(answer, str):
        raise Garbled(f"an answer that is not JSON: {answer[:100]!r}")
    if not getattr(answer, "id", None):
        raise Garbled(f"an answer without an id: {str(answer)[:100]!r}")
    return answer

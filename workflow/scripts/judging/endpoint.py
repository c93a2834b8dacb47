"""One judge behind the chat-completions protocol: calls with retries, within rate limits and budget.

Transient failures (429, 408, 409, 5xx, a timeout, a broken connection, an answer that is no completion) are retried,
with pauses that double, and are no shorter than the endpoint asks; Retry-After of a 429 holds all callers. A call that
keeps failing for longer than the judge's `patience` ends the job. A prompt that is refused (400, 413, 422, or 403 by
moderation: too long, filtered) raises Refused, and the other prompts continue. Any other error would hit every call, so
it ends the job at once; so does the refusal of a parameter, with the key to change.

The API key is read from the environment and sent; it is removed from everything that comes back.
"""

import random
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from basics.errors import InputError
from basics.kinds import kind_fault
from basics.reading import parse_json
from judging.ledger import Ledger, Stopped
from judging.reply_formats import reply_constraint
from judging.settings import LENGTH_LIMITS, JudgeSettings
from judging.spending import NO_USAGE, USAGE_KINDS, Usage, charged_usage, reported_usage, usage_bound
from serving.client import (
    BROKEN_JSON,
    FORBIDDEN,
    GARBLED,
    KEY_VARIABLE,
    REFUSALS,
    in_one_line,
    is_transient,
    key_from_environment,
    longest_reply,
    openai_client,
    retry_after,
    without_key,
)
from serving.error_bodies import reason, refused_parameter, refuses_content
from serving.server import HOST, LocalServer
from serving.sharing import SharedServer

WORKED_ON = {408, 504, 524}  # HTTP statuses of a gateway that has waited for the endpoint, which may be at work still
NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}  # httpx's errors
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two attempts of a call


class Refused(Exception):
    """The endpoint refuses this prompt; the text says why."""


class CallFailed(InputError):
    """A call that will not succeed; `status` is that of the response, None if there was none."""

    def __init__(self, message: str, status: int | None):
        self.status = status
        super().__init__(message)


class NotAnswered(Exception):
    """A response with status 200 that is no completion. It may carry an error, whose code then counts as the status."""

    def __init__(self, response: object):
        error = _field(response, "error")
        self.body = error if isinstance(error, (dict, str)) else None
        code = self.body.get("code") if isinstance(self.body, dict) else None
        self.status_code = code if isinstance(code, int) and 400 <= code < 600 else None
        super().__init__(reason(self.body) or f"a response that is not a completion: {str(response)[:100]!r}")


def key_variable(settings: JudgeSettings) -> str:
    return settings.key_env or KEY_VARIABLE


def api_key(settings: JudgeSettings) -> str:
    """API key of a judge at `base_url`, from the environment. Raises InputError naming the variable."""
    return key_from_environment(key_variable(settings), f"judge {settings.name!r}")


def request_body(settings: JudgeSettings, prompt: str, seed: int | None) -> dict:
    """The body of a request: the prompt, in a new conversation, and the parameters that this judge is sent."""
    messages = [{"role": "user", "content": prompt}]
    if settings.system is not None:
        messages.insert(0, {"role": "system", "content": settings.system})
    optional = {"temperature": settings.temperature, "reasoning_effort": settings.reasoning_effort, "seed": seed}
    body: dict[str, Any] = {"model": settings.model, "messages": messages, settings.length_limit: settings.max_tokens}
    body |= {name: value for name, value in optional.items() if value is not None}
    return body | reply_constraint(settings.reply_format, settings.max_tokens) | settings.extra_body


def prompt_bound(settings: JudgeSettings, prompt: str) -> Usage:
    """An upper bound on what a call uses; a system prompt and a JSON schema are charged as prompts are."""
    constraint = reply_constraint(settings.reply_format, settings.max_tokens)
    return usage_bound(f"{settings.system or ''}{prompt}{constraint or ''}", settings.max_tokens)


def parameter_fault(settings: JudgeSettings, body: object) -> str | None:
    """One line on the parameter of ours that an error's body refuses, with the key to change; None if there is none."""
    refused = refused_parameter(body)
    limits = [name for name in LENGTH_LIMITS if name != refused]
    remedies = dict.fromkeys(LENGTH_LIMITS, f"set length_limit: {limits[0]}")
    remedies |= {"temperature": "set temperature: null, and none is sent", "seed": "leave out seed"}
    remedies |= {"reasoning_effort": "leave out reasoning_effort"}
    remedies |= {"messages": "leave out system"} if settings.system else {}
    remedies |= dict.fromkeys(reply_constraint(settings.reply_format, 1), "set reply_format: text")
    remedies |= dict.fromkeys(settings.extra_body, "correct extra_body")
    if refused not in remedies:
        return None
    return f"the endpoint does not take our {refused} ({reason(body)}); in judges.{settings.name}, {remedies[refused]}"


def as_reply(completion: object, bound: Usage) -> dict:
    """What is kept of a chat completion, as parsed from JSON: the answer without its reasoning, why it ended, and its
    usage, as `reported_usage` makes it of what the endpoint says and the most that it can be. Malformed parts become
    empty text or None.

    Raises:
        NotAnswered: if it is no completion: an error, a page of HTML, JSON without an answer.
    """

    def text(value: object) -> str | None:
        return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else None

    choices = _field(completion, "choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if (message := _field(first, "message")) is None:
        raise NotAnswered(completion)
    return {
        "text": text(_field(message, "content")) or "",
        "finish": text(_field(first, "finish_reason")),
        "model": text(_field(completion, "model")),
        "fingerprint": text(_field(completion, "system_fingerprint")),
        **reported_usage(_field(completion, "usage"), bound),
    }


def _field(value: object, name: str) -> Any:
    """A field of a JSON object; None if it has none, or is none."""
    return value.get(name) if isinstance(value, dict) else None


def is_reply(value: object) -> bool:
    """Whether a value from a journal is such a reply.

    Earlier versions also kept what was no answer, an error or a page of HTML, as a reply that says nothing at all.
    """
    if kind_fault(value, {"text": str, "model": str | None, "fingerprint": str | None, "usage": USAGE_KINDS}):
        return False
    reply = cast(dict, value)
    says = reply["text"] or reply["model"] or any(reply["usage"].values())
    return bool(says) or "finish" in reply


def may_be_charged(error: Exception) -> bool:
    """Whether a call that ended in this error may be charged: not where an error was answered, or the endpoint was not
    reached; but where nobody knows what became of it, as after a timeout, the client's or a gateway's."""
    if isinstance(error, NotAnswered):
        return error.body is None  # an error in place of an answer has one
    status = getattr(error, "status_code", None)
    if status is not None:
        return status in WORKED_ON
    return type(error.__cause__).__name__ not in NEVER_SENT


class Endpoint:
    """The `openai` client of one judge, safe to share between threads. A call returns a reply as `as_reply` makes it.

    Once `stop` is set, no further call is started. `alive` raises InputError when a served judge has died.
    """

    def __init__(
        self,
        settings: JudgeSettings,
        base_url: str,
        key: str,
        ledger: Ledger,
        alive: Callable[[], None] = lambda: None,
    ):
        import httpx2
        import openai

        self.stop = threading.Event()
        self._settings, self._key, self._ledger, self._alive = settings, key, ledger, alive
        self._openai = openai
        # Retries by the client itself would bypass the rate limits and the budget.
        self._client = openai_client(base_url, key, settings.timeout, 0, longest_reply(settings.max_tokens))
        # Bodies as they are: `create` takes only the parameters that it knows, and makes objects that take a hundred
        # times the memory of their JSON.
        self._post, self._response = self._client.post, httpx2.Response

    def is_healthy(self) -> bool:
        """Whether the endpoint lists its models."""
        try:
            self._client.with_options(timeout=5).models.list()
        except (self._openai.APIError, *GARBLED):
            return False
        return True

    def __call__(self, prompt: str, seed: int | None = None) -> dict:
        """One reply. Raises Refused, OverBudget, Stopped, and InputError when the endpoint fails permanently."""
        body, bound = request_body(self._settings, prompt, seed), prompt_bound(self._settings, prompt)
        pause, first_failure = FIRST_PAUSE, None
        while True:
            try:
                return self._try(body, bound)
            except (self._openai.APIError, NotAnswered) as error:
                asked = self._requested_wait(error)
                now = time.monotonic()
                first_failure = now if first_failure is None else first_failure
                wait = max(asked or 0.0, pause * random.uniform(0.5, 1))  # whatever it asks for, no busy loop
                pause = min(2 * pause, LONGEST_PAUSE)
                if now + wait > first_failure + self._settings.patience:
                    raise self._failure(f"no answer in {self._settings.patience:g} s (patience)", error) from None
                self._alive()
                if self.stop.wait(wait):
                    raise Stopped from None

    def _try(self, body: dict, bound: Usage) -> dict:
        """One call, within rate limits and budget."""
        call = self._ledger.start(bound, self.stop.wait)
        used = bound  # also if it ends in a way that nobody thought of
        try:
            if self.stop.is_set():
                used = NO_USAGE
                raise Stopped
            response = self._post("/chat/completions", body=body, cast_to=self._response)
            reply = as_reply(parse_json(response.content), bound)
            used = charged_usage(reply)
            return without_key(reply, self._key)
        except BROKEN_JSON as error:
            raise NotAnswered(f"{type(error).__name__}: {error}") from None
        except (self._openai.APIError, NotAnswered) as error:
            used = bound if may_be_charged(error) else NO_USAGE
            raise
        finally:
            self._ledger.settle(call, used)

    def _requested_wait(self, error: Exception) -> float | None:
        """Seconds that the endpoint asks to wait after a transient error. Raises Refused or InputError for others."""
        status, body = getattr(error, "status_code", None), getattr(error, "body", None)
        if fault := parameter_fault(self._settings, body):
            raise InputError(f"judge {self._settings.name!r}: {in_one_line(fault, self._key)}") from None
        if status in REFUSALS or (status == FORBIDDEN and refuses_content(body)):
            raise Refused(self._error_text(error)) from None
        unanswered = isinstance(error, (self._openai.APIConnectionError, NotAnswered))
        if not is_transient(error) or (status is None and not unanswered):
            raise self._failure("the call failed", error) from None
        asked = retry_after(error.response.headers) if isinstance(error, self._openai.APIStatusError) else None
        if status == 429 and asked is not None and asked <= self._settings.patience:
            self._ledger.hold(asked)
        return asked

    def _failure(self, what: str, error: Exception) -> CallFailed:
        told = f"judge {self._settings.name!r}: {what}: {type(error).__name__}: {self._error_text(error)}"
        return CallFailed(told, getattr(error, "status_code", None))

    def _error_text(self, error: Exception) -> str:
        """The text of the error and of its cause, in one line: "Connection error." would hide a wrong host."""
        why = reason(getattr(error, "body", None)) or str(error.__cause__ or "")
        text = f"{error} ({why})" if why and why not in str(error) else str(error)
        return in_one_line(text, self._key)


def judges_server(settings: JudgeSettings, log: Path, linger: float) -> LocalServer | SharedServer:
    """The server of a judge with `serve`: this job's own, or one that waits `linger` seconds for the next job."""
    command, secrets = settings.serve or "", [*settings.secrets, key_variable(settings)]
    if linger:
        return SharedServer(command, log, settings.start_timeout, linger, secrets)
    return LocalServer(command, log, without=secrets)


@contextmanager
def open_endpoint(settings: JudgeSettings, ledger: Ledger, log: Path, linger: float = 0) -> Generator[Endpoint]:
    """The judge, ready for calls; a judge with `serve` is started, and runs until the end of the `with` block."""
    if settings.base_url:
        yield Endpoint(settings, settings.base_url, api_key(settings), ledger)
        return
    with judges_server(settings, log, linger) as server:
        ask = Endpoint(settings, f"http://{HOST}:{server.port}/v1", server.key, ledger, alive=server.check_running)
        server.wait(ask.is_healthy, settings.start_timeout)
        try:
            yield ask
        except InputError:
            server.check_running()  # if it has died, report that
            raise

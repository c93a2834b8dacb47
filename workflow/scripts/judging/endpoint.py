"""One judge behind the chat-completions protocol: calls with retries, within rate limits and budget.

Transient failures (429, 408, 409, 5xx, a timeout, a broken connection) are retried, with pauses that double, or as long
as the endpoint asks; Retry-After of a 429 holds all callers. A call that keeps failing for longer than the judge's
`patience` ends the job. A prompt that is refused (400, 413, 422: too long, filtered) raises Refused, and the other
prompts continue. Any other error would hit every call, so it ends the job at once.

The API key is read from the environment and sent; it is removed from everything that comes back.
"""

import random
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from basics.errors import InputError
from basics.kinds import kind_fault
from judging.limiter import Limiter, Stopped
from judging.settings import JudgeSettings
from judging.spending import NO_USAGE, USAGE_KINDS, Spending, Usage, usage_bound
from serving.client import (
    BROKEN_JSON,
    GARBLED,
    KEY_VARIABLE,
    REFUSALS,
    in_one_line,
    is_transient,
    key_from_environment,
    openai_client,
    retry_after,
    without_key,
)
from serving.server import HOST, LocalServer

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two attempts of a call


class Refused(Exception):
    """The endpoint refuses this prompt; the text says why."""


def key_variable(settings: JudgeSettings) -> str:
    return settings.key_env or KEY_VARIABLE


def api_key(settings: JudgeSettings) -> str:
    """API key of a judge at `base_url`, from the environment. Raises InputError naming the variable."""
    return key_from_environment(key_variable(settings), f"judge {settings.name!r}")


def request_body(settings: JudgeSettings, prompt: str, seed: int | None) -> dict:
    """The body of a request: the prompt, in a new conversation."""
    body = {
        "model": settings.model,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
    }
    return body if seed is None else body | {"seed": seed}


def as_reply(completion: object) -> dict:
    """What is kept of a chat completion; missing or malformed parts become empty text, None or 0."""

    def text(value: object) -> str | None:
        return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else None

    def count(value: object) -> int:
        return value if type(value) is int and value > 0 else 0  # in Python, True is an int too

    choices = getattr(completion, "choices", None)
    first = choices[0] if isinstance(choices, list) and choices else None
    usage = getattr(completion, "usage", None)
    return {
        "text": text(getattr(getattr(first, "message", None), "content", None)) or "",
        "model": text(getattr(completion, "model", None)),
        "fingerprint": text(getattr(completion, "system_fingerprint", None)),
        "usage": {key: count(getattr(usage, key, None)) for key in NO_USAGE},
    }


def is_reply(value: object) -> bool:
    """Whether a value from a journal is such a reply."""
    return not kind_fault(value, {"text": str, "model": str | None, "fingerprint": str | None, "usage": USAGE_KINDS})


class Endpoint:
    """The `openai` client of one judge, safe to share between threads. A call returns a reply as `as_reply` makes it.

    Once `stop` is set, no further call is started. `recent` are replies to earlier jobs: time (s since the epoch) and
    tokens. `alive` raises InputError when a served judge has died.
    """

    def __init__(
        self,
        settings: JudgeSettings,
        base_url: str,
        key: str,
        spending: Spending,
        recent: Iterable[tuple[float, int]] = (),
        alive: Callable[[], None] = lambda: None,
    ):
        import openai

        self.stop = threading.Event()
        self._settings, self._key, self._spending, self._alive = settings, key, spending, alive
        self._limiter = Limiter(settings.requests_per_minute, settings.tokens_per_minute, sleep=self.stop.wait)
        self._limiter.resume((max(time.time() - came, 0.0), tokens) for came, tokens in recent)
        self._openai = openai
        # Retries by the client itself would bypass the rate limits and the budget.
        self._client = openai_client(base_url, key, settings.timeout, max_retries=0)
        self._create = self._client.chat.completions.create  # triggers slow imports: here, not in the first call

    def is_healthy(self) -> bool:
        """Whether the endpoint lists its models."""
        try:
            self._client.with_options(timeout=5).models.list()
        except (self._openai.APIError, *GARBLED):
            return False
        return True

    def __call__(self, prompt: str, seed: int | None = None) -> dict:
        """One reply. Raises Refused, OverBudget, Stopped, and InputError when the endpoint fails permanently."""
        body, bound = request_body(self._settings, prompt, seed), usage_bound(prompt, self._settings.max_tokens)
        pause, first_failure = FIRST_PAUSE, None
        while True:
            try:
                return self._try(body, bound)
            except self._openai.APIError as error:
                asked = self._requested_wait(error)
                now = time.monotonic()
                first_failure = now if first_failure is None else first_failure
                if not asked:  # also when it asks for 0 s: no busy loop
                    wait, pause = pause * random.uniform(0.5, 1), min(2 * pause, LONGEST_PAUSE)
                else:
                    wait = asked
                if now + wait > first_failure + self._settings.patience:
                    raise self._failure(f"no answer in {self._settings.patience:g} s (patience)", error) from None
                self._alive()
                if self.stop.wait(wait):
                    raise Stopped from None

    def _try(self, body: dict, bound: Usage) -> dict:
        """One call, within rate limits and budget."""
        slot = self._limiter.start(sum(bound.values()))
        if self.stop.is_set():
            raise Stopped
        self._spending.reserve(bound)
        try:
            completion = self._create(**body)
        except self._openai.APIStatusError:  # errors are not charged
            self._limiter.record_usage(slot, 0)
            self._spending.settle(bound, NO_USAGE)
            raise
        except BROKEN_JSON:  # answered, and perhaps charged, but not as valid JSON
            completion = None
        reply = as_reply(completion)
        if not any(reply["usage"].values()):
            reply["bound"] = bound  # unreported usage counts as its upper bound, in later jobs too
        used = reply.get("bound", reply["usage"])
        self._limiter.record_usage(slot, sum(used.values()))
        self._spending.settle(bound, used)
        return without_key(reply, self._key)

    def _requested_wait(self, error: Exception) -> float | None:
        """Seconds that the endpoint asks to wait after a transient error. Raises Refused or InputError for others."""
        status = getattr(error, "status_code", None)
        if status in REFUSALS:
            raise Refused(self._error_text(error)) from None
        unanswered = isinstance(error, self._openai.APIConnectionError)
        if not is_transient(error) or (status is None and not unanswered):
            raise self._failure("the call failed", error) from None
        asked = retry_after(error.response.headers) if isinstance(error, self._openai.APIStatusError) else None
        if status == 429 and asked is not None and asked <= self._settings.patience:
            self._limiter.hold(asked)
        return asked

    def _failure(self, what: str, error: Exception) -> InputError:
        return InputError(f"judge {self._settings.name!r}: {what}: {type(error).__name__}: {self._error_text(error)}")

    def _error_text(self, error: Exception) -> str:
        """The text of the error and of its cause, in one line: "Connection error." would hide a wrong host."""
        text = f"{error} ({error.__cause__})" if error.__cause__ else str(error)
        return in_one_line(text, self._key)


@contextmanager
def open_endpoint(
    settings: JudgeSettings, spending: Spending, recent: Iterable[tuple[float, int]], log: Path
) -> Generator[Endpoint]:
    """The judge, ready for calls; a judge with `serve` is started, and runs until the end of the `with` block."""
    if settings.base_url:
        yield Endpoint(settings, settings.base_url, api_key(settings), spending, recent)
        return
    with LocalServer(settings.serve or "", log, without=[*settings.secrets, key_variable(settings)]) as server:
        ask = Endpoint(settings, f"http://{HOST}:{server.port}/v1", server.key, spending, alive=server.check_running)
        server.wait(ask.is_healthy, settings.start_timeout)
        try:
            yield ask
        except InputError:
            server.check_running()  # if it has died, report that
            raise

"""One judge behind the chat-completions protocol: calls that go on where it falters, within limits and budget.

What passes (429, 408, 409, 5xx, no answer in time, a broken connection) is waited out, with pauses that double, or as
long as the endpoint says; Retry-After of a 429 holds all callers. A call that fails for longer than the judge's
`patience` ends the job. A prompt that is refused (400, 413, 422: too long, filtered) is Refused, and the others go on.
Whatever else is said against a call would be said against all: it ends the job at once.

The API key is read from the environment and sent; it is cut out of all that comes back.
"""

import random
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from basics.errors import InputError
from basics.kinds import kind_fault
from judging.limiter import Limiter, Stopped
from judging.settings import JudgeSettings
from judging.spending import NOTHING, USAGE, Spending, Usage, most
from serving.client import (
    BROKEN_JSON,
    GARBLED,
    KEY_VARIABLE,
    REFUSALS,
    in_one_line,
    key_from_environment,
    may_pass,
    openai_client,
    retry_after,
    without_key,
)
from serving.server import HOST, Served

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries of a call


class Refused(Exception):
    """The endpoint does not answer this prompt; its text says why."""


def key_variable(settings: JudgeSettings) -> str:
    return settings.key_env or KEY_VARIABLE


def api_key(settings: JudgeSettings) -> str:
    """The key of a judge that the job does not serve, from the environment. Raises InputError naming the variable."""
    return key_from_environment(key_variable(settings), f"judge {settings.name!r}")


def request_body(settings: JudgeSettings, prompt: str, seed: int | None) -> dict:
    """What is asked: the prompt, in a conversation of its own."""
    body = {
        "model": settings.model,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
    }
    return body if seed is None else body | {"seed": seed}


def as_reply(completion: object) -> dict:
    """What is kept of a chat completion; parts that an endpoint left out, or garbled, become empty text, None or 0."""

    def text(value: object) -> str | None:
        return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else None

    def count(value: object) -> int:
        return value if type(value) is int and value > 0 else 0  # to Python, true is an int as well

    choices = getattr(completion, "choices", None)
    first = choices[0] if isinstance(choices, list) and choices else None
    usage = getattr(completion, "usage", None)
    return {
        "text": text(getattr(getattr(first, "message", None), "content", None)) or "",
        "model": text(getattr(completion, "model", None)),
        "fingerprint": text(getattr(completion, "system_fingerprint", None)),
        "usage": {key: count(getattr(usage, key, None)) for key in NOTHING},
    }


def is_reply(value: object) -> bool:
    """Whether a journal's value is such a reply."""
    return not kind_fault(value, {"text": str, "model": str | None, "fingerprint": str | None, "usage": USAGE})


class Endpoint:
    """The `openai` client for one judge, for any number of threads. A call gives a reply as `as_reply` has it.

    When `stop` is set no call is started any more. `recent` are replies that jobs before this one had: when (s since
    the epoch), and their tokens. `alive` raises InputError when there is nobody left to answer.
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
        # Requests that the client repeats by itself would bypass the limits and the budget.
        self._client = openai_client(base_url, key, settings.timeout, max_retries=0)
        self._create = self._client.chat.completions.create  # imports much: before the first call, not in it

    def healthy(self) -> bool:
        """Whether the endpoint lists its models."""
        try:
            self._client.with_options(timeout=5).models.list()
        except (self._openai.APIError, *GARBLED):
            return False
        return True

    def __call__(self, prompt: str, seed: int | None = None) -> dict:
        """One reply. Raises Refused, OverBudget, Stopped, and InputError when the endpoint fails for good."""
        body, bound = request_body(self._settings, prompt, seed), most(prompt, self._settings.max_tokens)
        pause, first_failure = FIRST_PAUSE, None
        while True:
            try:
                return self._try(body, bound)
            except self._openai.APIError as error:
                asked = self._check(error)
                now = time.monotonic()
                first_failure = now if first_failure is None else first_failure
                if not asked:  # "at once" is no wish that calls in a row may fulfil
                    wait, pause = pause * random.uniform(0.5, 1), min(2 * pause, LONGEST_PAUSE)
                else:
                    wait = asked
                if now + wait > first_failure + self._settings.patience:
                    raise self._ended(f"no answer in {self._settings.patience:g} s (patience)", error) from None
                self._alive()
                if self.stop.wait(wait):
                    raise Stopped from None

    def _try(self, body: dict, bound: Usage) -> dict:
        """One call, within limits and budget."""
        slot = self._limiter.start(sum(bound.values()))
        if self.stop.is_set():
            raise Stopped
        self._spending.set_aside(bound)
        try:
            completion = self._create(**body)
        except self._openai.APIStatusError:  # an error is no reply, and costs nothing
            self._limiter.used(slot, 0)
            self._spending.settle(bound, NOTHING)
            raise
        except BROKEN_JSON:  # answered, and perhaps charged, but no JSON that can be read
            completion = None
        reply = as_reply(completion)
        if not any(reply["usage"].values()):
            reply["bound"] = bound  # what is not said is taken for the most, by the jobs after this one too
        used = reply.get("bound", reply["usage"])
        self._limiter.used(slot, sum(used.values()))
        self._spending.settle(bound, used)
        return without_key(reply, self._key)

    def _check(self, error: Any) -> float | None:
        """Seconds that the endpoint asks to wait, when the error is one that passes. Raises Refused or InputError."""
        status = getattr(error, "status_code", None)
        if status in REFUSALS:
            raise Refused(self._why(error)) from None
        unanswered = isinstance(error, self._openai.APIConnectionError)
        if not may_pass(error) or (status is None and not unanswered):
            raise self._ended("the call failed", error) from None
        asked = None if status is None else retry_after(error.response.headers)
        if status == 429 and asked is not None and asked <= self._settings.patience:
            self._limiter.hold(asked)
        return asked

    def _ended(self, what: str, error: Exception) -> InputError:
        return InputError(f"judge {self._settings.name!r}: {what}: {type(error).__name__}: {self._why(error)}")

    def _why(self, error: Exception) -> str:
        """The error's text and its cause's, in a line: "Connection error." alone does not tell a wrong host name."""
        text = f"{error} ({error.__cause__})" if error.__cause__ else str(error)
        return in_one_line(text, self._key)


@contextmanager
def endpoint(
    settings: JudgeSettings, spending: Spending, recent: Iterable[tuple[float, int]], log: Path
) -> Generator[Endpoint]:
    """The judge, ready to be asked; one that the job serves is running for as long as the `with` lasts."""
    if not settings.serve:
        assert settings.base_url  # one of the two is given
        yield Endpoint(settings, settings.base_url, api_key(settings), spending, recent)
        return
    with Served(settings.serve, log, without=[*settings.secrets, key_variable(settings)]) as server:
        ask = Endpoint(settings, f"http://{HOST}:{server.port}/v1", server.key, spending, alive=server.check)
        server.wait(ask.healthy, settings.start_timeout)
        try:
            yield ask
        except InputError:
            server.check()  # when it has died, that is the reason to report
            raise

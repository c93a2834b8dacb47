"""Answers from a server of the tuned model, such as vLLM, that the job starts, uses and stops.

The server speaks OpenAI's completions protocol on 127.0.0.1, with two parameters that vLLM and SGLang add to it: the
prompt goes in as token ids, `return_token_ids` has the answer come back as such, and `stop_token_ids` names the end of
text, so that no second tokenizer has a part in an answer. Decoding is greedy: vLLM has no beam search with a repetition
penalty, and forbids no n-grams. Which requests share a batch is the server's affair, so its answers may differ from one
run to the next where two tokens are nearly as likely.
"""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from basics.errors import InputError
from models.tokenizer import Tokenizer
from serving.client import GARBLED, in_one_line, openai_client
from serving.server import HOST, Served, command_words

ANSWER_WITHIN = 600.0  # seconds a request may take, in a queue of `batch` others
REPEATS = 2  # times that the client repeats a request by itself


def command_of(settings, model: Path, tokenizer: Path) -> list[str]:
    """The words of the command, {model} and {tokenizer} filled in; {port} is filled in as it starts."""
    filled = {"{model}": str(model), "{tokenizer}": str(tokenizer)}
    words = command_words(settings.serve)
    for name, value in filled.items():
        words = [word.replace(name, value) for word in words]
    return words


class Client:
    """The one model of a completions server."""

    def __init__(self, port: int, key: str, settings, tokenizer: Tokenizer):
        import openai

        self._settings, self._tokenizer, self._key = settings, tokenizer, key
        self._error = openai.APIError
        self._client = openai_client(f"http://{HOST}:{port}/v1", key, ANSWER_WITHIN, REPEATS)
        self._name = ""  # what the server calls the model, once it is ready

    def ready(self) -> bool:
        """Whether the server lists a model; its name is the one to ask for."""
        try:
            self._name = self._client.with_options(max_retries=0, timeout=5).models.list().data[0].id
        except (self._error, *GARBLED):
            return False
        return True

    def answer(self, prompt: list[int]) -> tuple[list[int], bool]:
        """The answer's tokens without the end of text, and whether that was reached.

        Raises InputError when the server refuses the request, or does not give token ids.
        """
        settings, eos = self._settings, self._tokenizer.eos
        try:
            completion = self._client.completions.create(
                model=self._name,
                prompt=prompt,
                temperature=0,
                max_tokens=settings.max_new_tokens,
                extra_body={
                    "repetition_penalty": settings.repetition_penalty,
                    "stop_token_ids": [eos],
                    "return_token_ids": True,
                },
            )
            choice = completion.choices[0]
        except self._error as error:
            raise InputError(f"serve: {type(error).__name__}: {in_one_line(error, self._key)}") from None
        except GARBLED:
            why = "the server's answer is not of the completions protocol"
            raise InputError(f"serve: {why}; take one that speaks it (vLLM)") from None
        tokens = getattr(choice, "token_ids", None)
        if tokens is None:
            raise InputError("serve: the server gives no token_ids; take one that knows return_token_ids (vLLM 0.10.2)")
        finished = choice.finish_reason == "stop"
        return (tokens[: tokens.index(eos)] if eos in tokens else tokens), finished


@contextmanager
def serving(model: Path, tokenizer_folder: Path, settings, tokenizer: Tokenizer, log: Path) -> Generator[Callable]:
    """A server of the model, as a function of a batch of prompts, for as long as the `with` lasts."""
    with Served(command_of(settings, model, tokenizer_folder), log, without=settings.secrets) as server:
        client = Client(server.port, server.key, settings, tokenizer)
        server.wait(client.ready, settings.start_timeout)
        with ThreadPoolExecutor(settings.batch) as pool:
            try:
                yield lambda prompts: list(pool.map(client.answer, prompts))
            except InputError:
                pool.shutdown(wait=False, cancel_futures=True)
                server.check()  # when it has died, that is the reason to report
                raise

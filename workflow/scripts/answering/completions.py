"""Answers from a server of the tuned model, such as vLLM, which the job starts, uses and stops.

The server speaks OpenAI's completions protocol on 127.0.0.1, with two parameters that vLLM and SGLang add to it: the
prompt is sent as token ids, `return_token_ids` has the answer returned as token ids, and `stop_token_ids` names the
end-of-text token, so that no second tokenizer affects an answer. Decoding is greedy: vLLM has no beam search with a
repetition penalty, and cannot forbid repeated n-grams. The server decides which requests share a batch, so its answers
may differ from run to run where two tokens are almost equally likely.
"""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from basics.errors import InputError
from models.tokenizer import Tokenizer
from serving.client import GARBLED, in_one_line, openai_client
from serving.server import HOST, LocalServer, command_words

ANSWER_WITHIN = 600.0  # seconds that a request may take, queued with `batch` others
REPEATS = 2  # retries that the client makes by itself


def serve_command(settings, model: Path, tokenizer: Path) -> list[str]:
    """The command's arguments, with {model} and {tokenizer} filled in; {port} is filled in when it starts."""
    filled = {"{model}": str(model), "{tokenizer}": str(tokenizer)}
    words = command_words(settings.serve)
    for name, value in filled.items():
        words = [word.replace(name, value) for word in words]
    return words


class Client:
    """A client of a completions server that serves one model."""

    def __init__(self, port: int, key: str, settings, tokenizer: Tokenizer):
        import openai

        self._settings, self._tokenizer, self._key = settings, tokenizer, key
        self._error = openai.APIError
        self._client = openai_client(f"http://{HOST}:{port}/v1", key, ANSWER_WITHIN, REPEATS)
        self._name = ""  # of the model, known once the server is ready

    def ready(self) -> bool:
        """Whether the server lists a model, whose name requests then use."""
        try:
            self._name = self._client.with_options(max_retries=0, timeout=5).models.list().data[0].id
        except (self._error, *GARBLED):
            return False
        return True

    def answer(self, prompt: list[int]) -> tuple[list[int], bool]:
        """The answer's token ids without end of text, and whether end of text was reached.

        Raises InputError if the server refuses the request, or does not return token ids.
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
            fault = "the server's answer does not follow the completions protocol"
            raise InputError(f"serve: {fault}; use a server that does (vLLM)") from None
        tokens = getattr(choice, "token_ids", None)
        if tokens is None:
            raise InputError(
                "serve: the server returns no token_ids; use one that knows return_token_ids (vLLM 0.10.2)"
            )
        finished = choice.finish_reason == "stop"
        return (tokens[: tokens.index(eos)] if eos in tokens else tokens), finished


@contextmanager
def served_model(model: Path, tokenizer_folder: Path, settings, tokenizer: Tokenizer, log: Path) -> Generator[Callable]:
    """A server of the model, as a function of a batch of prompts; it runs for the duration of the `with` block."""
    with LocalServer(serve_command(settings, model, tokenizer_folder), log, without=settings.secrets) as server:
        client = Client(server.port, server.key, settings, tokenizer)
        server.wait(client.ready, settings.start_timeout)
        with ThreadPoolExecutor(settings.batch) as pool:
            try:
                yield lambda prompts: list(pool.map(client.answer, prompts))
            except InputError:
                pool.shutdown(wait=False, cancel_futures=True)
                server.check_running()  # if it has died, report that instead
                raise

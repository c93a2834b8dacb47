"""Text to token ids and back, with the tokenizer in a folder, without the start-up time of Transformers.

Prompt and response are encoded such that training sees the prompt exactly as inference does: a token that the tokenizer
puts before every text (LLaMA's <s>) is kept, an end-of-text token after it is not. A text is data: where it contains
the name of a special token, as an HTML example with </s> does, the name is encoded like any other text.
"""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer as FastTokenizer

from basics.errors import InputError, readable
from basics.reading import read_json


class Tokenizer:
    """The fast tokenizer in `folder`: tokenizer.json, and tokenizer_config.json for the special tokens."""

    def __init__(self, folder: Path | str):
        definition = Path(folder) / "tokenizer.json"
        if not definition.is_file():
            raise InputError(f"{definition}: no such file; save the tokenizer as a fast one (docs/bring-your-own.md)")
        with readable(definition, "a fast tokenizer", "make or fetch the tokenizer again"):
            self._tokenizer = FastTokenizer.from_file(str(definition))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # as text, that is
        settings = Path(folder) / "tokenizer_config.json"
        special = read_json(settings, fields=(), remedy="make or fetch the tokenizer again")
        self.eos = self._special_id(special.get("eos_token"), settings)
        # Padding is masked and never a label, so eos can serve for a tokenizer without a pad token.
        self.pad = self._special_id(special["pad_token"], settings) if special.get("pad_token") else self.eos
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = {token.content: number for number, token in added.items() if token.special}
        unknown = self._name(special.get("unk_token"))  # stands for characters, which a text may well contain
        self._control = {number for name, number in self._special.items() if name != unknown}
        self._around = self._controls(self.encode_prompt("a"))  # not of "": OPT's first token is also its last

    @staticmethod
    def _name(token: str | dict | None) -> str | None:
        return token.get("content") if isinstance(token, dict) else token

    def _special_id(self, token: str | dict | None, path: Path) -> int:
        text = self._name(token)
        identifier = self._tokenizer.token_to_id(text) if text and isinstance(text, str) else None
        if identifier is None:
            raise InputError(f"{path}: eos_token is {text!r}, which is not a token; name the end-of-text token there")
        return identifier

    @property
    def vocabulary(self) -> int:
        """Number of tokens, special ones included."""
        return self._tokenizer.get_vocab_size(with_added_tokens=True)

    def encode_prompt(self, prompt: str) -> list[int]:
        """Token ids of a prompt, as input of the model."""
        return self._without_eos(self._tokenizer.encode(prompt).ids)

    def encode_examples(self, examples: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        """Token ids of each prompt and of its response, without eos.

        The two are encoded as one text, so that no token reveals where they were joined. If a token of the joint
        encoding spans the boundary (as may happen when a response begins with a space), the response is encoded
        separately, since the prompt must be encoded as it will be at inference.
        """
        prompts = self._encode([prompt for prompt, _ in examples])
        wholes = self._encode([prompt + response for prompt, response in examples])
        return [
            (prompt, whole[len(prompt) :] if whole[: len(prompt)] == prompt else self._encode_alone(response))
            for prompt, whole, (_, response) in zip(prompts, wholes, examples, strict=True)
        ]

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [self._without_eos(found.ids) for found in self._tokenizer.encode_batch_fast(texts)]

    def _encode_alone(self, response: str) -> list[int]:
        return self._tokenizer.encode(response, add_special_tokens=False).ids

    def special_in(self, ids: list[int]) -> int:
        """How many ids of a text are special tokens, besides those that the tokenizer puts around every text.

        It is 0 for most tokenizers; in some, ordinary tokens of a special token's name merge into it.
        """
        return self._controls(ids) - self._around

    def _controls(self, ids: list[int]) -> int:
        return sum(token in self._control for token in ids)

    def check_template(self, text: str, path: Path | str) -> None:
        """Raise InputError if a template's text names a special token, which would be encoded as text."""
        if name := next((name for name in self._special if name and name in text), None):
            raise InputError(
                f"{path}: {name!r} is a special token of the tokenizer, but would be read as text; write the template"
                " without it"
            )

    def _without_eos(self, ids: list[int]) -> list[int]:
        return ids[:-1] if ids and ids[-1] == self.eos else ids

    def decode(self, ids: list[int], special_tokens: str = "drop") -> str:
        """Text of token ids; `special_tokens` is drop or keep, which leaves them as text."""
        return self._tokenizer.decode(ids, skip_special_tokens=special_tokens == "drop")

"""Text to token ids and back, from a tokenizer folder, without the start-up cost of Transformers.

The prompt and the response are encoded so that training sees the prompt exactly as answering does: what the
tokenizer puts before every text (LLaMA's <s>) stays, what it may put after one (an end-of-text) does not.
"""

from pathlib import Path

from tokenizers import Tokenizer as FastTokenizer

from basics.errors import InputError, readable
from basics.reading import read_json


class Tokenizer:
    """The fast tokenizer in `folder`: tokenizer.json, and tokenizer_config.json for the special tokens."""

    def __init__(self, folder: Path | str):
        definition = Path(folder) / "tokenizer.json"
        if not definition.is_file():
            raise InputError(f"{definition}: no such file; save the tokenizer as a fast one (tokenizer.json)")
        with readable(definition, "a fast tokenizer", "make or fetch the tokenizer again"):
            self._tokenizer = FastTokenizer.from_file(str(definition))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        settings = Path(folder) / "tokenizer_config.json"
        special = read_json(settings, fields=(), remedy="make or fetch the tokenizer again")
        self.eos = self._special(special.get("eos_token"), settings)
        # The ids at padded places are masked and never labels, so a tokenizer without a pad token lends its eos.
        self.pad = self._special(special["pad_token"], settings) if special.get("pad_token") else self.eos

    def _special(self, token: str | dict | None, path: Path) -> int:
        text = token.get("content") if isinstance(token, dict) else token
        identifier = self._tokenizer.token_to_id(text) if text and isinstance(text, str) else None
        if identifier is None:
            raise InputError(f"{path}: eos_token is {text!r}, which is not a token; name the end-of-text token there")
        return identifier

    @property
    def vocabulary(self) -> int:
        """Number of tokens, special ones included."""
        return self._tokenizer.get_vocab_size(with_added_tokens=True)

    def encode_prompt(self, prompt: str) -> list[int]:
        """Token ids of a prompt, as the model is to be given them."""
        return self._open_ended(self._tokenizer.encode(prompt).ids)

    def encode_example(self, prompt: str, response: str) -> tuple[list[int], list[int]]:
        """Token ids of a prompt and of the response to it, eos not included.

        The two are encoded as one text, so that no token tells where they were joined. Should the joint encoding
        cross that place (a response that begins with a space may do it), the response is encoded alone, since
        the prompt must stay as it will be when the model answers.
        """
        prompt_ids = self.encode_prompt(prompt)
        joint = self._open_ended(self._tokenizer.encode(prompt + response).ids)
        if joint[: len(prompt_ids)] == prompt_ids:
            return prompt_ids, joint[len(prompt_ids) :]
        return prompt_ids, self._tokenizer.encode(response, add_special_tokens=False).ids

    def _open_ended(self, ids: list[int]) -> list[int]:
        return ids[:-1] if ids and ids[-1] == self.eos else ids

    def decode(self, ids: list[int], special_tokens: str = "drop") -> str:
        """Text of token ids; `special_tokens` says whether these are dropped, or kept as text."""
        return self._tokenizer.decode(ids, skip_special_tokens=special_tokens == "drop")

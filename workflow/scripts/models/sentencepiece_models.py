"""A SentencePiece model (tokenizer.model) as a fast tokenizer (tokenizer.json) that gives the same ids.

Transformers' own conversion leaves out the model's normalizer: where SentencePiece merges runs of spaces, as
OpenLLaMA's does, the converted tokenizer gives ids that the model has hardly seen. Here the normalizer is converted
too, and the ids are compared with SentencePiece's own on texts that are hard to get right.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, normalizers, processors
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models as tokenizer_models

from basics.errors import InputError, readable
from basics.reading import read_bytes, read_json

REMEDY = "fetch it again, or take another tokenizer"
OWN_TOKENIZER = "save the tokenizer as tokenizer.json with the library that it was made for, and name that folder"
DIFFERENT = (
    "convert it again (convert_tokenizer.py), or, if the model was trained with tokenizer.json, remove tokenizer.model"
)
CLASSES = ("LlamaTokenizer", "LlamaTokenizerFast")  # of Transformers: they put <s> before a text, and nothing else
BPE = 2  # TrainerSpec.model_type
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6  # SentencePiece.type
SPACE = "▁"

HARD_TEXTS = (
    "Give three tips for staying healthy.",
    "a  b   c    d                    e",
    " one space before",
    "   three before, two after  ",
    "    ",
    "a line\nanother\n\n  an indented one\n\tand a tab\r\n",
    "def f(x):\n    if x:\n        return  x ** 2\n",
    "0 1 12 1234567 3.14159 10,000 ½ ² ①",
    "naïve café, cafe\u0301, Ångström, Řeřicha, ﬁne",
    "Что такое язык? Здравей, свят! Kiitos, hyvää päivää.",
    "你好,世界!今天天气怎么样?「引用」 全角ＡＢＣ",
    "নমস্কার, কেমন আছেন? नमस्ते दुनिया। مرحبا بالعالم שלום",
    "👍 👩‍👩‍👧 🇫🇮 ☕️ 𝒳 ▁ \u00a0 \u200b \u3000.",
    "https://example.org/a?b=c&d=%20 <p class='x'>5 &lt; 6</p> \\frac{1}{2}",
    "### Instruction:\nWhat is it?\n\n### Response:\n",
)


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a Protocol Buffers message: an int, or bytes, which hold all but integers.

    https://protobuf.dev/programming-guides/encoding/; raises ValueError or IndexError for anything else.
    """
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
            continue
        length = {1: 8, 5: 4}[kind] if kind != 2 else varint()
        if place + length > len(message):
            raise ValueError("it is cut short")
        yield number, message[place : place + length]
        place += length


class SentencePieceModel:
    """A tokenizer.model: pieces with score and type, by id, and how text is normalized before it is split.

    https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto; raises InputError for a file that
    is not one.
    """

    def __init__(self, path: Path):
        import sentencepiece

        content = read_bytes(path)
        with readable(path, "a SentencePiece model", REMEDY):
            self.processor = sentencepiece.SentencePieceProcessor()
            self.processor.LoadFromSerializedProto(content)
            parts = list(fields(content))
            self.pieces = [self._piece(value) for number, value in parts if number == 1]
            trainer, normalizer = (dict(fields(dict(parts).get(number, b""))) for number in (2, 3))
        self.is_bpe = trainer.get(3) == BPE
        self.characters = normalizer.get(2, b"")  # a compiled table of replacements
        self.add_space = bool(normalizer.get(3, True))
        self.merge_spaces = bool(normalizer.get(4, True))

    @staticmethod
    def _piece(message: bytes) -> tuple[str, float, int]:
        values = dict(fields(message))
        return values[1].decode(), struct.unpack("<f", values.get(2, bytes(4)))[0], values.get(3, NORMAL)

    def merges(self) -> list[tuple[str, str]]:
        """The pairs of pieces that make up a piece, those of the best score first."""
        scores = {piece: score for piece, score, kind in self.pieces if kind == NORMAL}
        pairs = [
            (-score, piece[:cut], piece[cut:])
            for piece, score in scores.items()
            for cut in range(1, len(piece))
            if piece[:cut] in scores and piece[cut:] in scores
        ]
        return [(left, right) for _, left, right in sorted(pairs, key=lambda pair: pair[0])]

    def normalizer(self) -> normalizers.Sequence:
        """What SentencePiece does to a text before it splits it."""
        steps: list = [normalizers.Precompiled(self.characters)] if self.characters else []
        if self.merge_spaces:
            steps += [normalizers.Replace(Regex(r"\A +"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
        if self.add_space:
            steps.append(normalizers.Prepend(SPACE))
        steps.append(normalizers.Replace(" ", SPACE))
        if self.merge_spaces:
            steps.append(normalizers.Replace(Regex(SPACE + r"+\z"), ""))  # also where the text itself has this sign
        return normalizers.Sequence(steps)

    def decoder(self) -> decoders.Sequence:
        steps: list = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
        return decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if self.add_space else steps)

    def fast(self) -> FastTokenizer:
        """The same tokenizer, in the library `tokenizers`."""
        unknown = next((piece for piece, _, kind in self.pieces if kind == UNKNOWN), None)
        tokenizer = FastTokenizer(
            tokenizer_models.BPE(
                vocab={piece: number for number, (piece, _, _) in enumerate(self.pieces)},
                merges=self.merges(),
                unk_token=unknown,
                fuse_unk=True,
                byte_fallback=any(kind == BYTE for _, _, kind in self.pieces),
            )
        )
        tokenizer.normalizer, tokenizer.decoder = self.normalizer(), self.decoder()
        added = [(piece, kind) for piece, _, kind in self.pieces if kind in (UNKNOWN, CONTROL, USER_DEFINED)]
        for piece, kind in added:
            token = AddedToken(piece, normalized=False, special=kind != USER_DEFINED)
            (tokenizer.add_tokens if kind == USER_DEFINED else tokenizer.add_special_tokens)([token])
        return tokenizer


def check_ids(tokenizer: FastTokenizer, path: Path, remedy: str) -> None:
    """Raise InputError if the tokenizer gives a hard text other ids, or its ids another text, than the SentencePiece
    model at `path` does."""
    model = SentencePieceModel(path)
    theirs = model.processor
    own = [piece.replace(SPACE, " ") for piece, _, kind in model.pieces if kind == USER_DEFINED]
    for text in (*HARD_TEXTS, *(f"a {piece} b{piece}" for piece in own[:100])):
        wanted, found = theirs.encode(text), tokenizer.encode(text, add_special_tokens=False).ids
        if wanted != found:
            raise InputError(f"{path}: SentencePiece gives {text[:40]!r} other ids than tokenizer.json does; {remedy}")
        known = theirs.unk_id() not in wanted  # a sign for the unknown is shown differently
        if known and tokenizer.decode(found, skip_special_tokens=False) != theirs.decode(wanted):
            raise InputError(f"{path}: SentencePiece decodes the ids of {text[:40]!r} to another text; {remedy}")


def check_folder(folder: Path) -> None:
    """Raise InputError if a folder has both tokenizer.json and tokenizer.model, and they differ (see `check_ids`)."""
    definition, model = folder / "tokenizer.json", folder / "tokenizer.model"
    if not (definition.is_file() and model.is_file()):
        return
    with readable(definition, "a fast tokenizer", REMEDY):
        tokenizer = FastTokenizer.from_file(str(definition))
    check_ids(tokenizer, model, DIFFERENT)


def convert(folder: Path) -> FastTokenizer:
    """The fast tokenizer of a folder with tokenizer.model and tokenizer_config.json, checked against SentencePiece.

    Raises InputError if the two cannot be made to agree, or if it is not a tokenizer of LLaMA's kind.
    """
    path, settings = folder / "tokenizer.model", read_json(folder / "tokenizer_config.json", fields=(), remedy=REMEDY)
    model = SentencePieceModel(path)
    kind = settings.get("tokenizer_class")
    if kind not in CLASSES or not model.is_bpe or settings.get("add_prefix_space") is False:
        found = f"its tokenizer_class is {kind!r}" if kind not in CLASSES else "it is not BPE, or adds no first space"
        raise InputError(f"{path}: only tokenizers of LLaMA's kind are converted, but {found}; {OWN_TOKENIZER}")
    tokenizer = model.fast()
    check_ids(tokenizer, path, OWN_TOKENIZER)
    start, end = (
        [_content(settings.get(name), name, folder)] if settings.get(f"add_{name}", default) else []
        for name, default in (("bos_token", True), ("eos_token", False))
    )
    around = [*start, *end]
    if lacking := [token for token in around if tokenizer.token_to_id(token) is None]:
        raise InputError(f"{folder}: tokenizer_config.json puts {lacking[0]!r} around a text, which is not a token")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[*start, "$A", *end], special_tokens=[(token, tokenizer.token_to_id(token)) for token in around]
    )
    return tokenizer


def _content(token: object, name: str, folder: Path) -> str:
    """The text of a special token. Raises InputError if there is none."""
    text = token.get("content") if isinstance(token, dict) else token
    if not isinstance(text, str):
        raise InputError(
            f"{folder}: tokenizer_config.json puts {name} around a text, but has none; name it there, or set add_{name}"
            " to false"
        )
    return text

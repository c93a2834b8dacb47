"""A Firefox Translations model that is real in everything but its weights, which are random: for measuring speed and
memory.

Dimensions, layer types, vocabulary size, shortlist size, file format and engine settings are those of the published
"tiny" and "base-memory" students; the output is gibberish. Two things ensure that two engines can be made to do the
same work: the bias of the end token is so low that every sentence is decoded to the longest length the settings allow;
and that length is set to LENGTH_FACTOR times the source's.
"""

import io
import random
import re
import sys
from pathlib import Path

import sentencepiece
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path += [str(REPOSITORY / "workflow" / "scripts"), str(REPOSITORY / "resources" / "demo" / "translation")]

import translation_model  # noqa: E402
from basics.writing import beside  # noqa: E402
from marian_format import model_file, shortlist_file  # noqa: E402
from marian_student import END, Shape, Student  # noqa: E402

PIECES = 32_000
# dim-emb, transformer-dim-ffn, transformer-heads, enc-depth, dec-depth: of the published models, and of one that is
# fast enough for many rows
ARCHITECTURES = {"tiny": (256, 1536, 8, 6, 2), "base-memory": (384, 1536, 8, 6, 4), "mite": (64, 128, 4, 1, 1)}
LENGTH_FACTOR = 1.2  # target pieces per source piece
MITE_LENGTH_FACTOR = 0.2
NEVER = -1e4  # bias of the end token
OFFERED = 34  # target pieces that the shortlist offers per source piece, about as many as in the published ones
ALWAYS = 50  # target pieces that it offers for every sentence


def shape(architecture: str) -> Shape:
    width, inner_width, heads, encoder_layers, decoder_layers = ARCHITECTURES[architecture]
    return Shape(PIECES, PIECES, True, width, inner_width, heads, encoder_layers, decoder_layers)


def vocabulary(sentences: list[str]) -> bytes:
    """A SentencePiece model of exactly PIECES pieces, with the special pieces where Marian expects them."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        vocab_size=PIECES,
        character_coverage=0.9995,
        bos_id=-1,
        eos_id=END,
        unk_id=1,
        pad_id=-1,
        num_threads=1,
        num_sub_iterations=1,
        max_sentence_length=100_000,
        minloglevel=2,
    )
    return written.getvalue()


def random_shortlist(draw: random.Random) -> list[list[int]]:
    """OFFERED target pieces per source piece; frequent ones (low ids) are drawn more often, as in a real dictionary."""

    def offered() -> set[int]:
        return {int(PIECES ** draw.random()) for _ in range(OFFERED)}

    return [sorted(offered()) for _ in range(PIECES)]


def model_files(architecture: str, sentences: list[str], seed: int) -> dict[str, bytes]:
    """The contents of model.bin, lex.bin and vocab.spm, by name."""
    torch.manual_seed(seed)
    student = Student(shape(architecture))
    with torch.no_grad():
        student.weights["decoder_ff_logit_out_b"][0, END] = NEVER
    files = {"vocab.spm": vocabulary(sentences)}
    processor = sentencepiece.SentencePieceProcessor(model_proto=files["vocab.spm"])
    encoded = [ids[:24] for ids in processor.encode(sentences[:32])]
    peaks = student.observe([(encoded[start : start + 8],) * 2 for start in range(0, len(encoded), 8)])
    weights = {name: weight.detach().numpy() for name, weight in student.weights.items()}
    files["model.bin"] = model_file(student.shape, weights, peaks)
    files["lex.bin"] = shortlist_file(random_shortlist(random.Random(seed)), ALWAYS)
    return files


def make_model(folder: Path, architecture: str, sentences: list[str], seed: int = 1) -> None:
    """Write a model folder as translation_model.py does, except for the length of its output."""
    with beside(folder) as written:
        written.mkdir()
        for name, content in model_files(architecture, sentences, seed).items():
            (written / name).write_bytes(content)
        factor = MITE_LENGTH_FACTOR if architecture == "mite" else LENGTH_FACTOR
        config, changed = re.subn(
            r"^max-length-factor: .*$", f"max-length-factor: {factor}", translation_model.CONFIG, flags=re.M
        )
        assert changed == 1, "translation_model.py no longer sets max-length-factor"
        translation_model.CONFIG = config  # for this program only
        translation_model.add_config_and_manifest(written, folder)

"""Train the miniature's English-to-X translation models and pack them for the Bergamot engine.

Each is a tiny Marian student (marian_student.py) that learns the sentence pairs of the demo text by heart; it is a
stand-in for a Firefox Translations model, in the same file format, not a translator of anything else. Writes
en{lang}.tar.gz for each language and checksums.json. One thread, seeded, a fixed number of steps: a second run on
the same machine gives the same bytes.
"""

import argparse
import gzip
import io
import random
import sys
import tarfile
import time
from pathlib import Path

import sentencepiece
import torch
from tqdm import tqdm

from marian_format import model_file, shortlist, shortlist_file
from marian_student import Shape, Student

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "workflow" / "scripts"))

from basics.command_line import command_line  # noqa: E402
from basics.hashing import sha256  # noqa: E402
from basics.writing import beside, write_json  # noqa: E402
from demo_text import load_grammar, parallel  # noqa: E402

MOST_PIECES = 640  # of a vocabulary
PIECES_UNIT = 8  # the engine's kernels take a target vocabulary of whole eights
SEPARATE_VOCABULARIES = {"zh"}  # as the Firefox models have it
STEPS = 1000
BATCH = 96  # sentence pairs
PEAK_RATE = 4e-3
WARM_UP = 150  # steps
SMOOTHING = 0.05
SEED = 1

Pairs = list[tuple[str, str]]
Encoded = list[tuple[list[int], list[int]]]


def sentencepiece_model(sentences: list[str], pieces: int) -> bytes:
    """A unigram model of at most so many pieces, </s> as id 0 and unknown as id 1, as Marian wants it."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        model_type="unigram",
        vocab_size=pieces,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        bos_id=-1,
        eos_id=0,
        unk_id=1,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return written.getvalue()


def train_vocabulary(sentences: list[str]) -> bytes:
    """The vocabulary with as many pieces as the sentences bear, in whole eights."""
    largest = sentencepiece_model(sentences, MOST_PIECES)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=largest).get_piece_size()
    return sentencepiece_model(sentences, pieces - pieces % PIECES_UNIT)


def vocabularies(pairs: Pairs, separate: bool) -> dict[str, bytes]:
    """SentencePiece models by file name: one for both languages, or one for each."""
    sources, targets = (list(side) for side in zip(*pairs, strict=True))
    if separate:
        return {"srcvocab.spm": train_vocabulary(sources), "trgvocab.spm": train_vocabulary(targets)}
    return {"vocab.spm": train_vocabulary(sources + targets)}


def learn(student: Student, pairs: Encoded, progress: tqdm) -> None:
    """Adam, with linear warm-up and decay of the learning rate."""
    draw = random.Random(SEED)
    optimizer = torch.optim.Adam(student.parameters(), betas=(0.9, 0.98))
    for step in range(STEPS):
        rate = PEAK_RATE * min(1, (step + 1) / WARM_UP) * (1 - step / STEPS)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = draw.choices(pairs, k=BATCH)
        loss = student.loss(*zip(*batch, strict=True), smoothing=SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        progress.update()
        if step % 100 == 0:
            progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)


def train(pairs: Pairs, separate: bool, progress: tqdm) -> dict[str, bytes]:
    """The files of a model: model.bin, lex.bin and the vocabularies."""
    torch.manual_seed(SEED)
    files = vocabularies(pairs, separate)
    processors = [sentencepiece.SentencePieceProcessor(model_proto=model) for model in files.values()]
    source, target = processors[0], processors[-1]
    encoded = list(zip(source.encode([s for s, _ in pairs]), target.encode([t for _, t in pairs]), strict=True))
    shape = Shape(source.get_piece_size(), target.get_piece_size(), shared_vocabulary=not separate)
    student = Student(shape)
    learn(student, encoded, progress)

    batches = [tuple(zip(*encoded[i : i + 64], strict=True)) for i in range(0, len(encoded), 64)]
    weights = {name: weight.detach().numpy() for name, weight in student.weights.items()}
    files["model.bin"] = model_file(shape, weights, student.observe(batches))
    files["lex.bin"] = shortlist_file(shortlist(encoded, shape.source_pieces))
    return files


def pack(files: dict[str, bytes], path: Path) -> None:
    """Write a .tar.gz whose bytes depend on the files alone: names sorted, no times, no owners."""
    with (
        beside(path) as written,
        written.open("wb") as stream,
        gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=9, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", nargs="+", required=True, help="codes, such as es zh")
    parser.add_argument("--output", type=Path, required=True, help="folder for the packed models")
    arguments = parser.parse_args()

    grammar = load_grammar(REPOSITORY / "resources" / "demo" / "grammar.yaml")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for language in arguments.language:
        start = time.monotonic()
        path = arguments.output / f"en{language}.tar.gz"
        with tqdm(total=STEPS, desc=language, mininterval=5) as progress:
            pack(train(parallel(grammar, language), language in SEPARATE_VOCABULARIES, progress), path)
        print(f"{path}: {path.stat().st_size:,} bytes, {time.monotonic() - start:.0f} s", file=sys.stderr)
    packed = sorted(arguments.output.glob("en*.tar.gz"))
    write_json(arguments.output / "checksums.json", {path.name: sha256(path) for path in packed})


if __name__ == "__main__":
    command_line(main)

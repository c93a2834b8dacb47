"""Translate sentences with another engine, on one thread, and print how long that took.

    peer.py make --architecture tiny --vocabulary vocab.spm --output DIR
    peer.py run --engine ctranslate2 --model DIR --vocabulary vocab.spm --sentences S.json --batch-words 1024

The model is a Marian transformer of the same dimensions in Transformers (float32), with random weights, and its
conversion to CTranslate2 (int8). It differs from Firefox's in one respect: the decoder has self-attention where theirs
has the cheaper SSRU. Sentences are sorted by length and put into batches limited by the number of source pieces,
padding included. A batch is decoded greedily to exactly LENGTH_FACTOR times its longest sentence, as random_model.py
makes Bergamot do. Times include splitting into pieces and joining them again, as Bergamot's do.
"""

import argparse
import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import sentencepiece
import torch

from random_model import ARCHITECTURES, LENGTH_FACTOR, PIECES

END = 0
PAD = PIECES  # a piece beyond the vocabulary, which Transformers' Marian needs

Translate = Callable[[list[list[int]], int], list[list[int]]]  # batch, number of pieces to decode


def make(arguments: argparse.Namespace) -> None:
    """Write DIR/transformers and DIR/ctranslate2."""
    from ctranslate2.converters import TransformersConverter
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    width, inner_width, heads, encoder_layers, decoder_layers = ARCHITECTURES[arguments.architecture]
    torch.manual_seed(1)
    config = MarianConfig(
        vocab_size=PIECES + 1,
        d_model=width,
        encoder_ffn_dim=inner_width,
        decoder_ffn_dim=inner_width,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        activation_function="relu",
        scale_embedding=True,
        eos_token_id=END,
        forced_eos_token_id=None,
        pad_token_id=PAD,
        decoder_start_token_id=PAD,
    )
    folder = arguments.output / "transformers"
    MarianMTModel(config).save_pretrained(folder)
    vocabulary = sentencepiece.SentencePieceProcessor(model_file=str(arguments.vocabulary))
    pieces = {vocabulary.id_to_piece(number): number for number in range(PIECES)} | {"<pad>": PAD}
    (folder / "vocab.json").write_text(json.dumps(pieces), encoding="utf-8")
    for side in ("source", "target"):
        shutil.copy(arguments.vocabulary, folder / f"{side}.spm")
    files = {name: str(folder / f"{name}.spm") for name in ("source", "target")}
    tokenizer = MarianTokenizer(
        files["source"], files["target"], str(folder / "vocab.json"), source_lang="en", target_lang="xx"
    )
    tokenizer.save_pretrained(folder)
    TransformersConverter(str(folder)).convert(str(arguments.output / "ctranslate2"), quantization="int8", force=True)


def batches(lengths: list[int], words: int) -> Iterator[list[int]]:
    """Positions, shortest sentences first, in batches of at most `words` pieces, including padding and end tokens."""
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * (lengths[position] + 1) > words:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def with_ctranslate2(model: Path, vocabulary: sentencepiece.SentencePieceProcessor) -> Translate:
    import ctranslate2

    translator = ctranslate2.Translator(
        str(model / "ctranslate2"), compute_type="int8", inter_threads=1, intra_threads=1
    )
    piece_of = [vocabulary.id_to_piece(number) for number in range(PIECES)]
    id_of = {piece: number for number, piece in enumerate(piece_of)}

    def translate(batch: list[list[int]], length: int) -> list[list[int]]:
        results = translator.translate_batch(
            [[piece_of[number] for number in ids] for ids in batch],
            beam_size=1,
            min_decoding_length=length,
            max_decoding_length=length,
        )
        return [[id_of[piece] for piece in result.hypotheses[0]] for result in results]

    return translate


def with_transformers(model: Path, vocabulary: sentencepiece.SentencePieceProcessor) -> Translate:
    from transformers import MarianMTModel

    network = MarianMTModel.from_pretrained(model / "transformers", dtype=torch.float32).eval()

    @torch.inference_mode()
    def translate(batch: list[list[int]], length: int) -> list[list[int]]:
        longest = max(map(len, batch)) + 1
        ids = torch.tensor([[*ids, END] + [PAD] * (longest - len(ids) - 1) for ids in batch])
        outputs = network.generate(
            input_ids=ids,
            attention_mask=(ids != PAD).long(),
            num_beams=1,
            do_sample=False,
            min_new_tokens=length,
            max_new_tokens=length,
        )
        return [[number for number in row[1:] if number < PIECES] for row in outputs.tolist()]

    return translate


def run(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    vocabulary = sentencepiece.SentencePieceProcessor(model_file=str(arguments.vocabulary))
    load = {"ctranslate2": with_ctranslate2, "transformers": with_transformers}[arguments.engine]
    translate = load(arguments.model, vocabulary)
    sentences = json.loads(arguments.sentences.read_text(encoding="utf-8"))
    translate(vocabulary.encode(sentences[:2]), 4)  # some work is done once, at the first call

    counts = {"sentences": len(sentences), "source_pieces": 0, "target_pieces": 0}
    start, start_cpu = time.perf_counter(), time.process_time()
    encoded = vocabulary.encode(sentences)
    translations = [""] * len(sentences)
    for batch in batches([len(ids) for ids in encoded], arguments.batch_words):
        sources = [encoded[position] for position in batch]
        targets = translate(sources, math.ceil(LENGTH_FACTOR * (max(map(len, sources)) + 1)))
        counts["source_pieces"] += sum(len(ids) + 1 for ids in sources)  # with the end token, as Bergamot counts
        counts["target_pieces"] += sum(map(len, targets))
        for position, text in zip(batch, vocabulary.decode(targets), strict=True):
            translations[position] = text
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    print(json.dumps({"seconds": seconds, "cpu": cpu, **counts}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("make")
    maker.add_argument("--architecture", choices=sorted(ARCHITECTURES), default="tiny")
    maker.add_argument("--output", type=Path, required=True, help="folder for both forms of the model")
    runner = commands.add_parser("run")
    runner.add_argument("--engine", choices=["ctranslate2", "transformers"], required=True)
    runner.add_argument("--model", type=Path, required=True, help="folder made by `make`")
    runner.add_argument("--sentences", type=Path, required=True, help="JSON list of sentences")
    runner.add_argument("--batch-words", type=int, default=1024, help="padded source pieces of a batch")
    for command in (maker, runner):
        command.add_argument("--vocabulary", type=Path, required=True, help="SentencePiece model")
    arguments = parser.parse_args()
    {"make": make, "run": run}[arguments.command](arguments)


if __name__ == "__main__":
    sys.exit(main())

"""Marian's files for the Bergamot engine: the int8 model (`*.intgemm.alphas.bin`) and the shortlist (`lex.*.bin`).

Layouts follow marian-dev (src/common/binary.cpp) and bergamot-translator (src/translator/, data/shortlist.h).
"""

import struct
from collections import Counter

import numpy as np

from marian_student import Shape

FLOAT32, INT8, INTGEMM8 = 0x0404, 0x0101, 0x4101  # marian::Type
ALIGNMENT = 256  # bytes

# Marian's own record of the architecture, carried inside the model file.
CONFIG = """\
bert-train-type-embeddings: true
bert-type-vocab-size: 2
dec-cell: ssru
dec-cell-base-depth: 2
dec-cell-high-depth: 1
dec-depth: {decoder_layers}
dim-emb: {width}
dim-rnn: 1024
dim-vocabs:
  - {source_pieces}
  - {target_pieces}
enc-cell: gru
enc-cell-depth: 1
enc-depth: {encoder_layers}
enc-type: bidirectional
factors-combine: sum
factors-dim-emb: 0
input-types:
  []
layer-normalization: false
lemma-dependency: ""
lemma-dim-emb: 0
output-omit-bias: false
right-left: false
skip: false
tied-embeddings: {separate}
tied-embeddings-all: {shared}
tied-embeddings-src: false
transformer-aan-activation: swish
transformer-aan-depth: 2
transformer-aan-nogate: false
transformer-decoder-autoreg: rnn
transformer-depth-scaling: false
transformer-dim-aan: 2048
transformer-dim-ffn: {inner_width}
transformer-ffn-activation: relu
transformer-ffn-depth: 2
transformer-guided-alignment-layer: last
transformer-heads: {heads}
transformer-no-projection: false
transformer-pool: false
transformer-postprocess: dan
transformer-postprocess-emb: d
transformer-postprocess-top: ""
transformer-preprocess: ""
transformer-tied-layers:
  []
transformer-train-position-embeddings: false
type: transformer
ulr: false
ulr-dim-emb: 0
ulr-trainable-transformation: false
version: v1.9.56 demo
"""

Item = tuple[str, int, tuple[int, ...], bytes]  # name, type, shape, payload


def model_config(shape: Shape) -> str:
    shared, separate = str(shape.shared_vocabulary).lower(), str(not shape.shared_vocabulary).lower()
    return CONFIG.format(**vars(shape), shared=shared, separate=separate)


def quantisation_scale(weight: np.ndarray) -> float:
    """The factor that maps a matrix onto −127 … 127."""
    return 127.0 / float(np.abs(weight).max())


def is_matrix(name: str) -> bool:
    """Whether a parameter is multiplied with (and so kept as int8), by Marian's naming: ..._W1, ..._Wq, Wemb."""
    return name.split("_")[-1].startswith("W")


def int8_items(weights: dict[str, np.ndarray], input_peaks: dict[str, list[float]]) -> list[Item]:
    """Parameters as the engine wants them: int8 matrices, float32 vectors, one input scale for each matrix.

    intgemm keeps matrices transposed, embeddings as they are; the scale follows the last row.
    """
    items: list[Item] = []
    for name, weight in weights.items():
        if is_matrix(name):
            scale = quantisation_scale(weight)
            quantised = np.clip(np.rint(weight * scale), -127, 127).astype(np.int8)
            rows = quantised if name.endswith("Wemb") else quantised.T
            items.append((name, INTGEMM8, weight.shape, rows.tobytes() + struct.pack("<f", scale)))
        else:
            items.append((name, FLOAT32, weight.shape, weight.astype("<f4").tobytes()))
    scales = {name: 127.0 / (np.mean(peaks) + 1.1 * np.std(peaks)) for name, peaks in input_peaks.items()}
    scales["none"] = next(scale for name, scale in scales.items() if name.endswith("Wemb"))  # the output layer
    items += [(f"{name}_QuantMultA", FLOAT32, (1, 1), struct.pack("<f", scale)) for name, scale in scales.items()]
    return sorted(items)


def model_file(shape: Shape, weights: dict[str, np.ndarray], input_peaks: dict[str, list[float]]) -> bytes:
    """Marian's binary format, version 1: headers, names, shapes, then the payloads from an aligned offset on."""
    config = model_config(shape).encode() + b"\0"
    items = [*int8_items(weights, input_peaks), ("special:model.yml", INT8, (len(config),), config)]
    items = [(name, kind, sizes, payload + b"\0" * (-len(payload) % ALIGNMENT)) for name, kind, sizes, payload in items]
    head = struct.pack("<QQ", 1, len(items))
    for name, kind, sizes, payload in items:
        head += struct.pack("<QQQQ", len(name) + 1, kind, len(sizes), len(payload))
    for name, *_ in items:
        head += name.encode() + b"\0"
    for _, _, sizes, _ in items:
        head += struct.pack(f"<{len(sizes)}i", *sizes)
    gap = ALIGNMENT - (len(head) + 8) % ALIGNMENT
    head += struct.pack("<Q", gap) + b"\0" * gap
    return head + b"".join(payload for *_, payload in items)


def shortlist(pairs: list[tuple[list[int], list[int]]], source_pieces: int, best: int = 8) -> list[list[int]]:
    """For each source piece, the target pieces the decoder may choose when that piece is in the sentence.

    The `best` by association (Dice) with it over the training pairs; and each target piece that no list would offer
    in some pair joins the list of the source piece in that pair most associated with it.
    """
    together: Counter[tuple[int, int]] = Counter()
    sources: Counter[int] = Counter()
    targets: Counter[int] = Counter()
    for source, target in pairs:
        sources.update(set(source))
        targets.update(set(target))
        together.update((s, t) for s in set(source) for t in set(target))

    def association(s: int, t: int) -> float:
        return together[s, t] / (sources[s] + targets[t])

    ranked: list[list[tuple[float, int]]] = [[] for _ in range(source_pieces)]
    for s, t in together:
        ranked[s].append((-association(s, t), t))
    lists = [{t for _, t in sorted(row)[:best]} for row in ranked]
    for source, target in pairs:
        offered = set().union(*(lists[s] for s in source))
        for t in set(target) - offered:
            lists[max(source, key=lambda s: (association(s, t), -s))].add(t)
    return [sorted(row) for row in lists]


def shortlist_file(lists: list[list[int]], always: int = 50) -> bytes:
    """The engine's binary shortlist: header, offsets (one more than source pieces), target ids. 8-byte words.

    The first `always` pieces of the target vocabulary, its most frequent, may be chosen in any sentence.
    """
    offsets, flat = [0], []
    for row in lists:
        flat += row
        offsets.append(len(flat))
    if len(flat) % 2:
        flat.append(END_OF_LIST)
        offsets[-1] = len(flat)
    body = struct.pack("<QQQQ", always, max(map(len, lists)), len(offsets), len(flat))
    body += struct.pack(f"<{len(offsets)}Q", *offsets) + struct.pack(f"<{len(flat)}I", *flat)
    return struct.pack("<QQ", SHORTLIST_MAGIC, word_hash(body)) + body


SHORTLIST_MAGIC = 0xF11A48D5013417F5
END_OF_LIST = 0  # </s>, which is always offered anyway


def word_hash(body: bytes) -> int:
    """Marian's hashMem over 64-bit words, with boost's hash_combine."""
    seed, ones = 0, (1 << 64) - 1
    for (word,) in struct.iter_unpack("<Q", body):
        seed ^= (word + 0x9E3779B9 + (seed << 6) + (seed >> 2)) & ones
    return seed

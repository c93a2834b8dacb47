"""A Marian "student" translation model in torch: the architecture of the Firefox Translations models, made tiny.

Transformer encoder; decoder with an SSRU (simpler simple recurrent unit, Kim et al. 2019) in place of
self-attention; post-norm layers; sinusoidal positions; greedy search. Parameters bear Marian's own names, so that
the export is a walk over them.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

END = 0  # the id of </s> in every vocabulary; also what pads a batch, under a mask


@dataclass(frozen=True)
class Shape:
    """Sizes of a student."""

    source_pieces: int
    target_pieces: int
    shared_vocabulary: bool
    width: int = 64
    inner_width: int = 128
    heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 1

    @property
    def source_embedding(self) -> str:
        return "Wemb" if self.shared_vocabulary else "encoder_Wemb"

    @property
    def target_embedding(self) -> str:
        """Embedding of the target, transposed also the output layer."""
        return "Wemb" if self.shared_vocabulary else "decoder_Wemb"


def pad(sequences: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask, both [batch, longest]; `END` is added to every sequence."""
    longest = max(map(len, sequences)) + 1
    ids = torch.tensor([ids + [END] * (longest - len(ids)) for ids in sequences])
    mask = torch.tensor([[1.0] * (len(ids) + 1) + [0.0] * (longest - len(ids) - 1) for ids in sequences])
    return ids, mask


class Student(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.weights = nn.ParameterDict()
        self.input_peaks: dict[str, list[float]] | None = None  # see `observe`
        self._embedding(shape.source_embedding, shape.source_pieces)
        if not shape.shared_vocabulary:
            self._embedding(shape.target_embedding, shape.target_pieces)
        for layer in range(1, shape.encoder_layers + 1):
            self._attention(f"encoder_l{layer}_self")
            self._feed_forward(f"encoder_l{layer}")
        for layer in range(1, shape.decoder_layers + 1):
            self._ssru(f"decoder_l{layer}_rnn")
            self._attention(f"decoder_l{layer}_context")
            self._feed_forward(f"decoder_l{layer}")
        self._bias("decoder_ff_logit_out_b", shape.target_pieces)

    # Parameters: matrices are [in, out] and biases [1, out], as in Marian's files.

    def _matrix(self, name: str, rows: int, columns: int) -> None:
        self.weights[name] = nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, columns)))

    def _bias(self, name: str, size: int, value: float = 0.0) -> None:
        self.weights[name] = nn.Parameter(torch.full((1, size), value))

    def _embedding(self, name: str, pieces: int) -> None:
        self._matrix(name, pieces, self.shape.width)

    def _normalisation(self, prefix: str) -> None:
        self._bias(f"{prefix}_ln_scale", self.shape.width, 1.0)
        self._bias(f"{prefix}_ln_bias", self.shape.width)

    def _attention(self, prefix: str) -> None:
        for role in "qkvo":
            self._matrix(f"{prefix}_W{role}", self.shape.width, self.shape.width)
            self._bias(f"{prefix}_b{role}", self.shape.width)
        self._normalisation(f"{prefix}_Wo")

    def _feed_forward(self, prefix: str) -> None:
        self._matrix(f"{prefix}_ffn_W1", self.shape.width, self.shape.inner_width)
        self._bias(f"{prefix}_ffn_b1", self.shape.inner_width)
        self._matrix(f"{prefix}_ffn_W2", self.shape.inner_width, self.shape.width)
        self._bias(f"{prefix}_ffn_b2", self.shape.width)
        self._normalisation(f"{prefix}_ffn_ffn")

    def _ssru(self, prefix: str) -> None:
        self._matrix(f"{prefix}_W", self.shape.width, self.shape.width)
        self._matrix(f"{prefix}_Wf", self.shape.width, self.shape.width)
        self._bias(f"{prefix}_bf", self.shape.width)
        self._normalisation(f"{prefix}_ffn")

    # The computation. All states are [batch, length, width].

    def _multiply(self, inputs: Tensor, name: str, transposed: bool = False) -> Tensor:
        if self.input_peaks is not None:
            self.input_peaks.setdefault(name, []).append(inputs.abs().max().item())
        return inputs @ (self.weights[name].t() if transposed else self.weights[name])

    def _linear(self, inputs: Tensor, prefix: str, role: str) -> Tensor:
        return self._multiply(inputs, f"{prefix}_W{role}") + self.weights[f"{prefix}_b{role}"]

    def _normalise(self, states: Tensor, prefix: str) -> Tensor:
        scale, bias = self.weights[f"{prefix}_ln_scale"][0], self.weights[f"{prefix}_ln_bias"][0]
        return F.layer_norm(states, (self.shape.width,), scale, bias, eps=1e-6)

    def _embed(self, vectors: Tensor, start: int = 0) -> Tensor:
        """Scale embeddings and add the sinusoids of positions `start`, `start` + 1, ..."""
        half = self.shape.width // 2
        rates = torch.exp(torch.arange(half) * (-math.log(10000.0) / (half - 1)))
        angles = torch.arange(start, start + vectors.shape[1])[:, None] * rates
        return vectors * math.sqrt(self.shape.width) + torch.cat([angles.sin(), angles.cos()], dim=1)

    def _attend(self, prefix: str, states: Tensor, memory: Tensor, bias: Tensor) -> Tensor:
        def heads(x: Tensor) -> Tensor:
            return x.unflatten(-1, (self.shape.heads, -1)).transpose(1, 2)

        query = heads(self._linear(states, prefix, "q"))
        key, value = (heads(self._linear(memory, prefix, role)) for role in "kv")
        affinity = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + bias
        mixed = (affinity.softmax(-1) @ value).transpose(1, 2).flatten(2)
        return self._normalise(self._linear(mixed, prefix, "o") + states, f"{prefix}_Wo")

    def _transform(self, prefix: str, states: Tensor) -> Tensor:
        inner = F.relu(self._linear(states, f"{prefix}_ffn", "1"))
        return self._normalise(self._linear(inner, f"{prefix}_ffn", "2") + states, f"{prefix}_ffn_ffn")

    def _recur(self, prefix: str, states: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """SSRU: cell ← f·cell + (1 − f)·Wx with f = σ(W_f x); the output is relu(cell)."""
        forget = torch.sigmoid(self._linear(states, prefix, "f"))
        update = (1 - forget) * self._multiply(states, f"{prefix}_W")
        cells = []
        for step in range(states.shape[1]):
            cell = forget[:, step] * cell + update[:, step]
            cells.append(cell)
        outputs = F.relu(torch.stack(cells, dim=1))
        return self._normalise(outputs + states, f"{prefix}_ffn"), cell

    def encode(self, source: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's states, and the bias that hides padding from attention."""
        states = self._embed(self.weights[self.shape.source_embedding][source])
        hidden = (1 - mask[:, None, None, :]) * -1e9
        for layer in range(1, self.shape.encoder_layers + 1):
            states = self._attend(f"encoder_l{layer}_self", states, states, hidden)
            states = self._transform(f"encoder_l{layer}", states)
        return states, hidden

    def decode(
        self, previous: Tensor, start: int, cells: list[Tensor], memory: Tensor, hidden: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Logits [batch, length, pieces] after the embeddings `previous`, and the recurrent cells."""
        states, new_cells = self._embed(previous, start), []
        for layer in range(1, self.shape.decoder_layers + 1):
            states, cell = self._recur(f"decoder_l{layer}_rnn", states, cells[layer - 1])
            new_cells.append(cell)
            states = self._attend(f"decoder_l{layer}_context", states, memory, hidden)
            states = self._transform(f"decoder_l{layer}", states)
        logits = self._multiply(states, self.shape.target_embedding, transposed=True)
        return logits + self.weights["decoder_ff_logit_out_b"], new_cells

    def loss(self, sources: list[list[int]], targets: list[list[int]], smoothing: float = 0.0) -> Tensor:
        """Mean cross-entropy of a target piece. The embedding before the first piece is zero, as in Marian."""
        memory, hidden = self.encode(*pad(sources))
        target, mask = pad(targets)
        embedded = self.weights[self.shape.target_embedding][target]
        previous = F.pad(embedded[:, :-1], (0, 0, 1, 0))
        logits, _ = self.decode(previous, 0, self._empty_cells(len(sources)), memory, hidden)
        losses = F.cross_entropy(logits.transpose(1, 2), target, reduction="none", label_smoothing=smoothing)
        return (losses * mask).sum() / mask.sum()

    def _empty_cells(self, batch: int) -> list[Tensor]:
        return [torch.zeros(batch, self.shape.width)] * self.shape.decoder_layers

    @torch.no_grad()
    def observe(self, batches: list[tuple[list[list[int]], list[list[int]]]]) -> dict[str, list[float]]:
        """For each matrix, the largest absolute input it met in each batch: what its int8 scale is made from."""
        self.input_peaks = {}
        for sources, targets in batches:
            self.loss(sources, targets)
        peaks, self.input_peaks = self.input_peaks, None
        return peaks

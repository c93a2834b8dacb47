"""Measure the peak memory of the loss for a large vocabulary: ours (labelled_loss.py) against all logits at once.

    loss_memory.py                  BLOOM's 250,880 words at 2,048 labelled positions, forward and backward
    loss_memory.py --width 2048     for a wider model

Counted is the resident memory beyond that of the hidden states, the output layer and their gradients, as after the
first micro-batch of a step. Where the output layer is trained, a second gradient of it is computed and added to the
first; no implementation of the loss avoids that. With LoRA the output layer is frozen. Each way has a process of its
own. Part of `make bench-training`.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "workflow" / "scripts"), str(HERE)]

from basics.command_line import command_line, positive  # noqa: E402
from measuring import measure, table  # noqa: E402

WORDS, POSITIONS, WIDTH = 250_880, 2_048, 1_024  # BLOOM's vocabulary; the width of its smallest model
WAYS = ("ours", "plain")
LAYERS = ("frozen", "trained")
AIM = 1 / 5


def plain_loss(head, states, targets):
    """The loss as it is usually written, on all logits at once."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(head(states).float(), targets, reduction="sum")


def resident() -> int:
    """Resident bytes of this process, now."""
    import psutil

    return psutil.Process().memory_info().rss


def one(way: str, layer: str, words: int, positions: int, width: int) -> dict:
    """Compute the loss and its gradients once. Returns the peak in bytes, seconds of CPU, the loss and its gradient."""
    import torch

    from training.instruments import peak_resident_memory
    from training.labelled_loss import summed_loss

    torch.manual_seed(1)
    head = torch.nn.Linear(width, words, bias=False)
    states = torch.randn(positions, width, requires_grad=True)
    targets = torch.randint(words, (positions,))
    head.weight.requires_grad_(layer == "trained")
    for tensor in (head.weight, states) if layer == "trained" else (states,):
        tensor.grad = torch.zeros_like(tensor).fill_(0.0)  # touched, so that it is resident
    before, start = resident(), time.process_time()
    loss = summed_loss(head, states, targets) if way == "ours" else plain_loss(head, states, targets)
    loss.backward()
    return {
        "cpu": time.process_time() - start,
        "peak": peak_resident_memory() - before,
        "loss": loss.item() / positions,
        "gradient": states.grad.norm().item(),
    }


def compare(turns: int, words: int = WORDS, positions: int = POSITIONS, width: int = WIDTH) -> tuple[dict, str]:
    """The measurements of both ways, and a table of them."""
    size = ["--words", words, "--positions", positions, "--width", width]
    seen = {f"{way}, {layer}": [] for layer in LAYERS for way in WAYS}
    for _ in range(turns):
        for layer in LAYERS:
            for way in WAYS:
                command = [sys.executable, __file__, "--way", way, "--layer", layer, *size]
                seen[f"{way}, {layer}"].append(json.loads(measure(command).output))

    rows = []
    for layer in LAYERS:

        def medians(key: str, layer: str = layer) -> list[float]:
            return [statistics.median(turn[key] for turn in seen[f"{way}, {layer}"]) for way in WAYS]

        peak, cpu, loss = medians("peak"), medians("cpu"), medians("loss")
        rows += [
            [
                layer,
                "peak of memory",
                *(f"{it / 2**20:,.0f} MB" for it in peak),
                f"{peak[0] / peak[1]:.2f}",
                f"{AIM:.2f}",
            ],
            [layer, "CPU time", *(f"{it:.1f} s" for it in cpu), f"{cpu[0] / cpu[1]:.2f}", ""],
            [layer, "mean loss", *(f"{it:.6f}" for it in loss), "", ""],
        ]
    about = f"{positions:,} labelled positions of width {width:,}, {words:,} words, float32, forward and backward."
    head = ["output layer", "the loss alone", "ours", "all logits at once", "ours : all at once", "aim, under"]
    return seen, f"{about}\n\n" + table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=positive, default=WORDS, help=f"default {WORDS:,}")
    parser.add_argument("--positions", type=positive, default=POSITIONS, help=f"default {POSITIONS:,}")
    parser.add_argument("--width", type=positive, default=WIDTH, help=f"of the states (default {WIDTH:,})")
    parser.add_argument("--turns", type=positive, default=1, help="default 1: memory hardly varies")
    parser.add_argument("--way", choices=WAYS, help="take one turn of it in this process and print JSON")
    parser.add_argument("--layer", choices=LAYERS, default="trained", help="with --way (default trained)")
    arguments = parser.parse_args()
    size = (arguments.words, arguments.positions, arguments.width)
    if arguments.way:
        print(json.dumps(one(arguments.way, arguments.layer, *size)))
    else:
        print(compare(arguments.turns, *size)[1])


if __name__ == "__main__":
    command_line(main)

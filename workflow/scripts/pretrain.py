"""Build a small causal language model from its architecture and pre-train it on text files of one document per line.

The documents are shuffled, joined by the end-of-text token and cut into rows of equal length; a step takes a random
batch of rows. The optimizer is AdamW, with the learning rate warmed up over a twentieth of the steps and then decaying
to zero along a cosine. On one CPU thread the same arguments give the same weights, byte for byte.

--architecture gives `model_type` (gpt_neox, bloom, llama, ...) and the fields of that type's configuration; vocabulary
and special tokens come from the tokenizer.
"""

import argparse
import math
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from tqdm import tqdm

from basics.command_line import command_line
from basics.errors import InputError
from basics.settings import read_object, read_settings
from basics.writing import beside
from data.template import Template
from models import language_models  # noqa: F401  (first: it configures threads and network access)
from models.corpus import read_documents
from models.tokenizer import Tokenizer
from models.warm_start import hand_over

WARMUP = 0.05  # share of the steps
TEMPLATE_SHARE = 0.35  # of the documents
INPUT_SHARE = 0.5  # of the documents in the template


@dataclass(frozen=True)
class Settings:
    """How to pre-train: optimizer steps, rows per step, tokens per row, peak learning rate, random seed."""

    steps: int
    batch: int
    length: int
    learning_rate: float
    seed: int


def arrange_documents(files: list[list[str]], template: Template | None, seed: int) -> list[str]:
    """The documents of all files, shuffled. With a template, a share of them is filled into it, each from one file.

    One document then serves as the instruction, sometimes another as the input, and another as the response: the model
    learns the template's wording, and to keep to a language, but no answers.
    """
    draw = random.Random(f"documents {seed}")
    texts = []
    for documents in files:
        rest = draw.sample(documents, len(documents))
        while rest:
            text = rest.pop()
            if template and len(rest) > 1 and draw.random() < TEMPLATE_SHARE:
                text = template.prompt(text, rest.pop() if draw.random() < INPUT_SHARE else "") + rest.pop()
            texts.append(text)
    return draw.sample(texts, len(texts))


def pack_rows(texts: Iterable[str], tokenizer: Tokenizer, length: int) -> list[list[int]]:
    """Rows of `length` token ids from the texts, each followed by eos; a shorter remainder is dropped."""
    ids = [token for text in texts for token in (*tokenizer.encode_prompt(text), tokenizer.eos)]
    rows = [ids[start : start + length] for start in range(0, len(ids) - length + 1, length)]
    if not rows:
        raise InputError(f"--corpus: {len(ids)} tokens in total, less than one row of {length}; give more text")
    return rows


def build_model(architecture: dict, tokenizer: Tokenizer, seed: int):
    """A model with random weights. Raises InputError if Transformers does not have such an `architecture`."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    fields = dict(architecture)
    try:
        config = AutoConfig.for_model(
            fields.pop("model_type"),
            **fields,
            vocab_size=tokenizer.vocabulary,
            bos_token_id=tokenizer.eos,
            eos_token_id=tokenizer.eos,
            pad_token_id=tokenizer.pad,
        )
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config)
    except (KeyError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"--architecture: not a causal language model of Transformers ({reason[:200]}); correct it"
        ) from None


def learning_rate(step: int, settings: Settings) -> float:
    """Learning rate at `step`, counted from 0: linear warm-up, then a cosine decay to zero."""
    warmup = max(1, round(WARMUP * settings.steps))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (settings.steps - warmup)))


def pretrain(model, rows: list[list[int]], settings: Settings) -> float:
    """Train `model` in place and return the mean loss of the last twentieth of the steps."""
    import torch

    data = torch.tensor(rows)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.05, fused=True)
    draw = torch.Generator().manual_seed(settings.seed)
    model.train()
    losses = []
    with tqdm(range(settings.steps), mininterval=5, unit="step") as steps:
        for step in steps:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, settings)
            batch = data[torch.randint(len(data), (settings.batch,), generator=draw)]
            loss = model(input_ids=batch, labels=batch, use_cache=False).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
            steps.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
    return fmean(losses[-max(1, settings.steps // 20) :])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", required=True, metavar="JSON", help="object or file: model_type and sizes")
    parser.add_argument("--corpus", required=True, nargs="+", type=Path, metavar="FILE", help="one document per line")
    parser.add_argument("--template", type=Path, help="prompt template whose wording the model should know")
    parser.add_argument("--tokenizer", required=True, type=Path, help="tokenizer folder")
    parser.add_argument(
        "--settings", required=True, metavar="JSON", help="object or file: steps, batch, length, learning_rate, seed"
    )
    parser.add_argument("--output", required=True, type=Path, help="folder for the model")
    arguments = parser.parse_args()
    settings = read_settings(Settings, arguments.settings)
    architecture = read_object(arguments.architecture)
    tokenizer = Tokenizer(arguments.tokenizer)
    template = Template(arguments.template) if arguments.template else None
    texts = arrange_documents([read_documents([path]) for path in arguments.corpus], template, settings.seed)
    rows = pack_rows(texts, tokenizer, settings.length)

    model = build_model(architecture, tokenizer, settings.seed)
    loss = pretrain(model, rows, settings)
    with beside(arguments.output) as folder:
        model.save_pretrained(folder)
    size = model.num_parameters() / 1e6
    print(f"{arguments.output}: {size:.2f}M parameters, {settings.steps} steps, loss {loss:.3f}", file=sys.stderr)


if __name__ == "__main__":
    hand_over()
    command_line(main)

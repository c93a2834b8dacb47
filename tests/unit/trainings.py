"""Small trainings for the tests: their inputs, and how to run them in this process or from the command line."""

import argparse
import json
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import tiny
import tokenize_recipe
import train
from basics.reading import read_json

SETTINGS = {
    "batch": 8,
    "micro_batch_tokens": 600,
    "epochs": 2,
    "learning_rate": 1e-2,
    "warmup": 2,
    "schedule": "linear",
    "weight_decay": 0.0,
    "loss_on": "all",
    "loss_mean": "step",
    "evaluate_every": 100,
    "precision": "fp32",
    "seed": 3,
}
LORA = {"rank": 4, "alpha": 8, "dropout": 0.0}


def make_house(folder: Path, max_length: int = 70, words: int = 1) -> Path:
    """A folder with a tokenizer, a model of each family, and a tokenized recipe of 22 and 5 rows; `words` multiplies
    the length of their answers.
    """
    tokenizer = tiny.tokenizer(folder / "tokenizer")
    for family in tiny.ARCHITECTURES:
        tiny.model(folder / family, family, tokenizer)
    recipe = tiny.recipe(folder / "recipe", words=words)
    template = tiny.template(folder)
    command = f"x --recipe {recipe} --tokenizer {tokenizer} --template {template} --max-length {max_length}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*command.split(), "--output", str(folder / "tokens")])
        tokenize_recipe.main()
    return folder


def settings(method: str = "lora", **changed) -> dict:
    return SETTINGS | ({"lora": LORA} if method == "lora" else {}) | changed


class Training(NamedTuple):
    """A training of a model of the house, and where its output goes."""

    house: Path
    output: Path
    method: str = "lora"
    family: str = "bloom"

    @property
    def checkpoints(self) -> Path:
        return self.output.with_name(f"{self.output.name}-checkpoints")

    def arguments(self, **changed) -> argparse.Namespace:
        """The arguments, as train.py parses them."""
        given = {
            "method": self.method,
            "model": self.house / self.family,
            "tokens": self.house / "tokens",
            "adapter_modules": tiny.MODULES.get(self.family) if self.method == "lora" else [],
            "tokenizer": self.house / "tokenizer",
            "template": self.house / "template.json",
            "micro_batch": None,
            "checkpoints": self.checkpoints,
            "curve": None,
            "output": self.output,
        }
        return argparse.Namespace(**given | changed)

    def command(self, ranks: int = 1, **changed) -> list[str]:
        """The command line of the same training, in processes of its own."""
        launcher = [str(tiny.SCRIPTS / "launch.py"), "--ranks", str(ranks)] if ranks > 1 else []
        asked = self.arguments()
        options = {"--method": self.method, "--model": asked.model, "--tokens": asked.tokens, "--output": self.output}
        options |= {"--tokenizer": asked.tokenizer, "--template": asked.template}
        options |= {"--settings": json.dumps(settings(self.method, **changed)), "--checkpoints": self.checkpoints}
        flat = [str(part) for option in options.items() for part in option]
        script = str(tiny.SCRIPTS / "train.py")
        return [sys.executable, *launcher, script, *flat, "--adapter-modules", *asked.adapter_modules]


def tune(training: Training, **changed) -> dict:
    """Train in this process. Returns the content of training.json."""
    assert train.train(training.arguments(), train.Settings(**settings(training.method, **changed))) == 0
    return read_json(training.output / "training.json")


def weights(output: Path) -> bytes:
    (path,) = output.glob("*.safetensors")
    return path.read_bytes()


def trajectory(record: dict) -> list[float]:
    return [loss for curve in ("train", "validation") for _, loss in record["losses"][curve]]

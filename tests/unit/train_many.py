"""Several trainings in one start of the ranks, which takes longer than a training: launch.py ... train_many.py JSON
FILE.

FILE holds a list of trainings: `arguments` of train.py by name, `settings`, and `chunk`, the logits held at once.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

import train
from training import labelled_loss, ranks

PATHS = ("model", "tokens", "tokenizer", "template", "checkpoints", "output")

for training in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
    given = {"micro_batch": None, "curve": None} | training["arguments"]
    labelled_loss.CHUNK = training["chunk"]
    arguments = argparse.Namespace(**given | {name: Path(given[name]) for name in PATHS})
    train.train(arguments, train.Settings(**training["settings"]))
ranks.leave_group()

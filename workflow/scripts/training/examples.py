"""A tokenized recipe as training examples: token ids and labels, and how they are collated into micro-batches."""

from pathlib import Path
from typing import TYPE_CHECKING

from basics.errors import InputError
from basics.kinds import kind_fault
from basics.reading import read_json
from training.steps import FILLER

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torch.utils.data import Dataset
else:
    Dataset = object  # PyTorch is slow to import, and needs only __len__ and __getitem__ of a dataset

SPLITS = ("train", "validation")
NO_LABEL = -100  # which PyTorch's cross-entropy ignores
NO_ROW = -1


def load_tokens(folder: Path) -> "DatasetDict":
    """Read the splits of a tokenized recipe. Raises InputError if they are missing, damaged or empty."""
    from datasets import DatasetDict

    try:
        splits = DatasetDict.load_from_disk(str(folder))
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{folder}: not a tokenized recipe ({reason}); run tokenize_recipe.py again") from None
    for split in SPLITS:
        if split not in splits or len(splits[split]) == 0:
            raise InputError(f"{folder}: no rows in {split}; change the recipe or recipe.validation_rows")
        if splits[split].features != recipe_features():
            raise InputError(f"{folder}: the columns of {split} are not those of a tokenized recipe; tokenize it again")
    return splits


def count_tokens(counts: Path, split: str) -> int:
    """Tokens of a split, from a tokenized recipe's counts.json. Raises InputError naming the file and the fault."""
    remedy = "tokenize that recipe again"
    languages = read_json(counts, {split: dict}, remedy)[split]
    if fault := kind_fault(languages, {name: {"tokens": int} for name in languages}):
        raise InputError(f"{counts}: the key {split!r} {fault}; {remedy}")
    return sum(language["tokens"] for language in languages.values())


def recipe_features():
    """The columns of a tokenized recipe, with their types."""
    from datasets import Features, List, Value

    return Features(
        id=Value("int64"),
        lang=Value("string"),
        input_ids=List(Value("int32")),
        prompt_length=Value("int32"),
        length=Value("int32"),
    )


class Examples(Dataset):
    """Row number, token ids and labels of each row; the index FILLER gives an example without labels.

    The first token has nothing to be predicted from, so it is never a label. Raises InputError if no row has a label.
    """

    def __init__(self, rows, loss_on: str):
        self.lengths = list(rows["length"])
        self._rows = rows
        self._ids = rows.select_columns(["input_ids"])
        self._unlabelled = [1 if loss_on == "all" else max(1, length) for length in rows["prompt_length"]]
        if all(length <= unlabelled for length, unlabelled in zip(self.lengths, self._unlabelled, strict=True)):
            raise InputError(f"no row has a token to learn with loss_on {loss_on}; raise tokenize.max_length")

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int | None) -> tuple[int, list[int], list[int]]:
        if index is FILLER:
            return NO_ROW, [0], [NO_LABEL]
        ids, unlabelled = self._ids[index]["input_ids"], self._unlabelled[index]
        return index, ids, [NO_LABEL] * min(unlabelled, len(ids)) + ids[unlabelled:]

    @property
    def label_counts(self) -> list[int]:
        """Labels of each row."""
        return [max(0, length - first) for length, first in zip(self.lengths, self._unlabelled, strict=True)]

    def name(self, index: int) -> str:
        """A row as a user can look it up: its id and language."""
        row = self._rows[index]
        return f"{row['id']} ({row['lang']})"


def collate(examples: list[tuple[int, list[int], list[int]]]) -> dict:
    """Pad examples on the right to the same length. Padding has no label and, as a causal model reads from the left,
    needs no mask, with which attention would be slower."""
    import torch

    longest = max(len(ids) for _, ids, _ in examples)
    labels = torch.tensor([labels + [NO_LABEL] * (longest - len(labels)) for _, _, labels in examples])
    return {
        "input_ids": torch.tensor([ids + [0] * (longest - len(ids)) for _, ids, _ in examples]),
        "labels": labels,  # for the Trainer, which counts them but does not pass them on
        "targets": labels,  # for the model
        "rows": torch.tensor([row for row, _, _ in examples]),  # for their factors in the loss, and error messages
    }


def rehearsal_rows(length: int, rows: int):
    """Rows of `length` tokens, all labelled: what needs the most memory in a micro-batch."""
    from datasets import Dataset

    row = {
        "id": 0,
        "lang": "none",
        "input_ids": [number % 100 for number in range(length)],
        "prompt_length": 0,
        "length": length,
    }
    return Dataset.from_list([row] * rows)

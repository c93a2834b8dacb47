"""The presets: what each sets, beside what the authors' code does; `pytest -s` prints the table."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from effective_settings import effective_settings, format_cell
from reporting.markdown import markdown_table
from study.checking import check_configuration
from study.configuration import read_configs
from study.schema import key_path
from study.series import METHODS

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / "config"
PRESETS = sorted((CONFIG / "presets").glob("*.yaml"))

# LoRA / full-parameter, or one value for both. The authors' code is that of
# hplt-project/monolingual-multilingual-instruction-tuning at 0053b15: loraft/finetune.py with its README's command,
# loraft/generate.py, fpft/train.py, fpft/inference.py. It has no command for full-parameter training: batch, epochs and
# warm-up are the paper's (Table 1, section 3.2), schedule, weight decay and micro-batch Stanford Alpaca's, its base.
ALL_NINE, EIGHT = "en, es, fr, bg, ru, zh, cs, de, fi", "es, fr, bg, ru, zh, cs, de, fi"
LORA_MODELS = "pythia, bloom, seven-billion"
COLUMNS = ("authors' code", "paper", "authors-code", "harmonised")
SETTINGS = {
    "base models": (
        f"{LORA_MODELS} / bloom, pythia-step3000",
        f"{LORA_MODELS} / bloom",
        f"{LORA_MODELS} / bloom, pythia-step3000",
        f"{LORA_MODELS} / bloom",
    ),
    "recipes.multilingual.languages": (EIGHT, ALL_NINE, EIGHT, ALL_NINE),
    "recipes.multilingual.rows": ("all", "all", "all", "all"),
    "recipes.downsampled.languages": (EIGHT, ALL_NINE, EIGHT, ALL_NINE),
    "recipes.downsampled.rows": ("one-language", "one-language", "one-language", "one-language"),
    "recipe.validation_rows": ("1000", "1000", "1000", "1000"),
    "recipe.hold_out": ("rows", "ids", "rows", "ids"),
    "recipe.drop_flags": ("none", "none", "none", "none"),
    "tokenize.template": ("alpaca / alpaca-no-newline", "alpaca", "alpaca / alpaca-no-newline", "alpaca"),
    "tokenize.max_length": ("512", "512", "512", "512"),
    "train.rank": ("8 / –", "8 / –", "8 / –", "8 / –"),
    "train.alpha": ("16 / –", "16 / –", "16 / –", "16 / –"),
    "train.dropout": ("0.05 / –", "0.05 / –", "0.05 / –", "0.05 / –"),
    "train.learning_rate": ("3e-4 / 2e-5", "3e-4 / 2e-5", "3e-4 / 2e-5", "3e-4 / 2e-5"),
    "train.batch": ("128 / 256", "128 / 256", "128 / 256", "128"),
    "train.epochs": ("5 / 3", "5 / 3", "5 / 3", "5"),
    "train.warmup": ("100 / 0.03", "100 / 0.03", "100 / 0.03", "100"),
    "train.schedule": ("linear / cosine", "linear / cosine", "linear / cosine", "linear"),
    "train.weight_decay": ("0", "0", "0", "0"),
    "train.loss_on": ("all / response", "all / response", "all / response", "response"),
    "train.loss_mean": ("2 / 4", "step", "2 / 4", "step"),
    "train.order": ("by-length / random", "random", "by-length / random", "random"),
    "train.validation": (
        "held-out / nothing-held-out",
        "held-out / none",
        "held-out / nothing-held-out",
        "held-out",
    ),
    "train.evaluate_every": ("200 / –", "200", "200", "200"),
    "train.precision": ("fp16 over int8 / fp32", "bf16", "bf16 / fp32", "bf16"),
    "respond.template": ("alpaca / alpaca-indented", "alpaca", "alpaca / alpaca-indented", "alpaca"),
    "respond.beams": ("4", "4", "4", "4"),
    "respond.no_repeat_ngram": ("6", "6", "6", "6"),
    "respond.repetition_penalty": ("1 / 1.1", "1 / 1.1", "1 / 1.1", "1"),
    "respond.max_new_tokens": ("256", "256", "256", "256"),
    "respond.cut_at": (
        '`"\\n### "` / ### Response:',
        '`"\\n### "`',
        '`"\\n### "` / ### Response:',
        '`"\\n### "`',
    ),
    "respond.special_tokens": ("drop / keep", "drop", "drop / keep", "drop"),
    "respond.precision": ("fp16 over int8 / fp32", "bf16", "bf16 / fp32", "bf16"),
    # Not in the authors' code: what the paper says.
    "data.identifier": ("openlid", "openlid", "openlid", "openlid"),
    "langid.normalise": ("none", "none", "none", "none"),
    "langid.code": ("keep", "keep", "keep", "keep"),
}
NOT_REPRODUCED = {
    ("train.precision", "lora"): "bitsandbytes is not among the packages",
    ("respond.precision", "lora"): "the same",
    ("train.evaluate_every", "full"): "without validation it has no effect",
}


def load(preset: str) -> dict:
    """A preset over the default; `paper` is the default itself."""
    overlay = [] if preset == "paper" else [CONFIG / "presets" / f"{preset}.yaml"]
    return read_configs([CONFIG / "config.yaml", *overlay])


def expected(column: str) -> dict[tuple[str, str], str]:
    """The values of a column of SETTINGS, by setting and method."""
    return {
        (setting, method): value
        for setting, values in SETTINGS.items()
        for method, value in zip(METHODS, (values[COLUMNS.index(column)].split(" / ") * 2)[:2], strict=True)
    }


def effective(preset: str) -> dict[tuple[str, str], str]:
    """The values in effect under a preset, by setting and method."""
    settings = {method: effective_settings(load(preset), method) for method in METHODS}
    names = dict.fromkeys(name for values in settings.values() for name in values)
    return {
        (name, method): format_cell(settings[method][name]) if name in settings[method] else "–"
        for name in names
        for method in METHODS
    }


@pytest.mark.parametrize("preset", ["paper", "authors-code", "harmonised"])
def test_a_preset_sets_the_values_in_its_column(preset):
    assert effective(preset) == expected(preset)


def test_authors_code_does_what_the_authors_code_does_except_what_is_not_reproduced():
    columns = {"authors' code": expected("authors' code")} | {preset: effective(preset) for preset in COLUMNS[1:]}
    heads = {f"{column}, {method}": (column, method) for column in columns for method in METHODS}
    rows = [
        {"setting": setting} | {head: columns[column][setting, method] for head, (column, method) in heads.items()}
        for setting in SETTINGS
    ]
    print(f"\n{markdown_table(rows)}")
    theirs, ours = columns["authors' code"], columns["authors-code"]
    assert {key for key in theirs if theirs[key] != ours[key]} == NOT_REPRODUCED.keys()


def test_harmonised_methods_differ_only_in_adapter_and_learning_rate():
    config = load("harmonised")
    assert config["respond"]["lora"] == config["respond"]["full"]
    own = {"rank", "alpha", "dropout", "learning_rate"}
    lora, full = (
        {key: value for key, value in config["train"][method].items() if key not in own} for method in METHODS
    )
    assert lora == full


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_a_valid_configuration(preset):
    check_configuration(load(preset.stem))


def leaves(mapping: Mapping, keys: tuple = ()) -> Iterator[tuple[tuple, object]]:
    """Every value of a mapping of mappings, with the keys that lead to it; a list is a value."""
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*keys, key))
        else:
            yield (*keys, key), value


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_repeats_nothing_of_the_default(preset):
    default = dict(leaves(load("paper")))
    idle = [key_path(keys) for keys, value in leaves(read_configs([preset])) if default.get(keys, ...) == value]
    assert idle == []


def test_the_page_of_settings_shows_the_values_in_effect():
    files = ["config.yaml", "presets/authors-code.yaml", "presets/harmonised.yaml"]
    command = [sys.executable, "workflow/scripts/effective_settings.py", *(f"config/{file}" for file in files)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (REPOSITORY / "docs" / "fidelity.md").read_text(encoding="utf-8")
    assert done.stdout in page, "put what effective_settings.py prints (see its --help) into docs/fidelity.md"

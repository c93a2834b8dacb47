"""Whatever a disk, a kill or an editor does to a file, its reader says so in one line and writes nothing.

The programs themselves first make a house with one artifact of every kind. Then each file is damaged in each way, one
at a time, and every program that reads it is run: it ends with status 1 and one line, `error: ...`, that names the file
and the remedy; its earlier outputs stay. Journals and checkpoints are not inputs: their damaged parts are ignored and
made again.
"""

import csv
import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

import tiny
import trainings
from basics.command_line import command_line
from basics.reading import read_jsonl
from basics.writing import write_json, write_jsonl
from training import checkpoints

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = REPOSITORY / "resources" / "demo"
BERGAMOT = REPOSITORY / ".venv-bergamot" / "bin" / "python"
OTHER = {"another": ["kind"]}  # of a type that no field has
JUDGE = {
    "name": "j",
    "model": "stand-in",
    "serve": f"python {tiny.SCRIPTS}/stand_in_judge.py --references {DEMO}/references.jsonl --port {{port}}",
}
RESPONDING = {
    "beams": 1,
    "no_repeat_ngram": 0,
    "repetition_penalty": 1.0,
    "max_new_tokens": 4,
    "cut_at": "\n### ",
    "special_tokens": "drop",
    "batch": 4,
    "precision": "fp32",
}
UNCERTAINTY = {"level": 0.95, "resamples": 100, "seed": 1}
MODELS = {"bloom": {"family": "bloom", "label": "BLOOM", "billions": 0.1}}
FIGURE = {
    "number": 3,
    "kind": "size",
    "title": "Figure",
    "runs": {"lora": ["bloom"]},
    "models": MODELS,
    "languages": {"en": "English", "es": "Spanish"},
    "panels": ["en"],
    "series": ["multilingual"],
    "maximum": 6,
    "uncertainty": UNCERTAINTY,
    "judge": "J",
    "note": "",
}
BUDGET = {
    "runs": {"lora": {"bloom": ["multilingual"]}},
    "models": MODELS,
    "langs": ["en", "es"],
    "trained": 2,
    "prompts": 2,
    "uncertainty": UNCERTAINTY,
    "judge": {"name": "j", "label": "J"},
    "note": "",
}
CLAIMS = {
    "figures": {"figure3": {"lora": ["bloom"]}},
    "models": {"bloom": {"family": "bloom", "billions": 0.1}},
    "families": {"bloom": "BLOOM"},
    "methods": {"lora": "LoRA"},
    "languages": {"seen": ["en", "es"], "unseen": []},
    "names": {"en": "English", "es": "Spanish"},
    "prompts": 2,
    "uncertainty": UNCERTAINTY,
}


# ---- ways of damaging a file

Damage = Callable[[Path], object]


def cut_at(share: float) -> Damage:
    def cut(path: Path) -> None:
        content = path.read_bytes()
        kept = content[: max(1, int(len(content) * share))]
        at_end = len(kept) - kept.rfind(b"\n") < 9  # of a line, where the cut would leave no trace
        path.write_bytes(kept[:-20] if at_end else kept)

    return cut


def torn_last_line(path: Path) -> None:
    *lines, last = path.read_bytes().rstrip(b"\n").split(b"\n")
    path.write_bytes(b"\n".join([*lines, last[: len(last) // 2]]))


def in_latin_1(path: Path) -> None:
    content = path.read_bytes()
    place = content.find(b'"') + 1  # inside the first string, or at the beginning
    path.write_bytes(content[:place] + "né".encode("latin-1") + content[place:])


def in_utf_16(path: Path) -> None:
    path.write_bytes(path.read_bytes().decode("utf-8", "replace").encode("utf-16"))


def nested_too_deeply(path: Path) -> None:
    path.write_bytes(b"[" * 100_000 + b"\n")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


ANY = {"missing": Path.unlink, "a folder": a_folder}
BYTES = ANY | {"empty": lambda path: path.write_bytes(b""), "cut in the middle": cut_at(0.5)}
TEXT = ANY | {"latin-1": in_latin_1, "UTF-16": in_utf_16}


def rows_changed(change: Callable[[dict], object]) -> Damage:
    """Change the last row; the rows before it stay sound."""

    def spoil(path: Path) -> None:
        rows = read_jsonl(path)
        change(rows[-1])
        write_jsonl(path, rows)

    return spoil


def same_id(path: Path) -> None:
    first, *rows = read_jsonl(path)
    write_jsonl(path, [first, *rows[:-1], rows[-1] | {"id": first["id"]}])


def value_changed(change: Callable[[dict], object]) -> Damage:
    def spoil(path: Path) -> None:
        value = json.loads(path.read_bytes())
        change(value)
        write_json(path, value)

    return spoil


def of_each(fields: str, changed: Callable) -> dict[str, Damage]:
    """For each of the fields: it is missing, or has the wrong type."""
    found = {}
    for name in fields.split():
        found[f"without {name}"] = changed(lambda row, name=name: row.pop(name))
        found[f"{name} of the wrong type"] = changed(lambda row, name=name: row.update({name: OTHER}))
    return found


def jsonl(fields: str, **more: Damage) -> dict[str, Damage]:
    return TEXT | BYTES | {"torn": torn_last_line, "too deep": nested_too_deeply} | of_each(fields, rows_changed) | more


def document(keys: str, **more: Damage) -> dict[str, Damage]:
    """JSON."""
    listed = {"a list": lambda path: path.write_text("[]"), "too deep": nested_too_deeply}
    return TEXT | BYTES | listed | of_each(keys, value_changed) | more


def parquet(columns: str) -> dict[str, Damage]:
    found = BYTES | {"UTF-16": in_utf_16, "no rows": lambda path: pl.read_parquet(path).clear().write_parquet(path)}
    for name in columns.split():
        found[f"without {name}"] = lambda path, name=name: pl.read_parquet(path).drop(name).write_parquet(path)
        found[f"{name} of the wrong type"] = lambda path, name=name: (
            pl.read_parquet(path).with_columns(pl.lit(b"another kind").alias(name)).write_parquet(path)
        )
    return found


def replaced(old: str, new: str) -> Damage:
    def replace(path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace


def table(*columns: str, number: str) -> dict[str, Damage]:
    """CSV."""
    found = TEXT | BYTES | {"torn": torn_last_line, "no rows": lambda path: path.write_text("a,b\n")}
    for name in columns:
        found[f"without {name}"] = replaced(name, f"{name}-no-more")
    return found | {"not a number": no_number(number)}


def no_number(column: str) -> Damage:
    def spoil(path: Path) -> None:
        rows = list(csv.DictReader(path.read_text().splitlines()))
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows([*rows[:-1], rows[-1] | {column: "many"}])

    return spoil


WEIGHTS = BYTES | {
    "half a header": cut_at(0.02),
    "a byte too few": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "text": lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n" * 3),
}


# ---- the programs that read the files


class Reader(NamedTuple):
    """A program, its options, its outputs below `out`, and the ways to damage each file that it reads."""

    program: str
    options: str
    makes: str
    reads: dict[str, dict[str, Damage]]
    patched: dict[str, str] = {}  # constants that name files, with their modules  # noqa: RUF012


SEED = "id instruction input output"
IDS = jsonl("lang id prompt response")
RATED = "lang id repeat rating explanation attempts model fingerprint usage"
SCORES = "judge method model recipe lang id"
CONFIG = f"{REPOSITORY}/config/config.yaml {REPOSITORY}/config/demo.yaml"
LANGUAGES = TEXT | {
    "empty": lambda path: path.write_bytes(b""),
    "cut in the middle": cut_at(0.5),
    "without labels": replaced("labels:", "label:"),
    "wrong type": replaced("labels: [", "labels: [{a: b}, "),
    "an unquoted no": replaced('\n"no":', "\nno:"),
}
LABELS = TEXT | {
    "empty": lambda path: path.write_bytes(b""),
    "cut in the middle": cut_at(0.5),
    "without labels": replaced("labels:", "label:"),
    "without normalise": replaced("normalise:", "normalize:"),
    "an unknown normalise": replaced("none", "lower"),
    "wrong type": replaced("[eng_Latn]", "[{a: b}]"),
    "an unquoted no": replaced('"no":', "no:"),
}
ADAPTER = "models/lora/bloom/multilingual"
BASE = {
    "bloom/config.json": document("", **{"without model_type": value_changed(lambda value: value.pop("model_type"))}),
    "bloom/model.safetensors": WEIGHTS,
}
TOKENIZER = {
    "tokenizer/tokenizer.json": document("model"),
    "tokenizer/tokenizer_config.json": document("eos_token"),
}
TEMPLATE = {"template.json": document("prompt_input prompt_no_input")}
ADAPTED = {
    f"{ADAPTER}/adapter_config.json": document("peft_type"),
    f"{ADAPTER}/adapter_model.safetensors": WEIGHTS,
}
RECORD = document(
    "method recipe languages settings best final steps inputs",
    **{"base of the wrong type": value_changed(lambda value: value.update(base=OTHER))},
)
COMPANIONS = {  # beside a trained adapter; a released one has none
    "training.json": {name: damage for name, damage in RECORD.items() if name != "missing"},
    "tokenizer.json": document("model"),
    "tokenizer_config.json": document("eos_token"),
}

READERS = [
    Reader(
        "seed",
        "--input {h}/own-seed.jsonl --output {out}/o",
        "o",
        {
            "own-seed.jsonl": jsonl("instruction output", blank=rows_changed(lambda row: row.update(instruction=" "))),
        },
    ),
    Reader(
        "prompts",
        "--input {h}/prompts/es.jsonl --reference {h}/prompts/en.jsonl --expected 2 --output {out}/o",
        "o",
        {
            "prompts/es.jsonl": jsonl("id prompt", **{"an id twice": same_id}),
            "prompts/en.jsonl": jsonl("id") | {"empty": torn_last_line},
        },
    ),
    Reader("segment", "--seed {h}/seed.jsonl --output {out}/o", "o", {"seed.jsonl": jsonl(SEED)}),
    Reader(
        "take_translation",
        "--seed {h}/seed.jsonl --input {h}/own/es.jsonl --output {out}/o",
        "o",
        {"own/es.jsonl": jsonl("instruction output"), "seed.jsonl": jsonl("id")},
    ),
    Reader(
        "translation_model",
        "--packed {h}/packed/enes.tar.gz --checksums {h}/packed/checksums.json --output {out}/o",
        "o",
        {
            "packed/enes.tar.gz": BYTES | {"text": in_utf_16},
            "packed/checksums.json": document(
                "", **{"without it": value_changed(lambda value: value.pop("enes.tar.gz"))}
            ),
        },
    ),
    Reader(
        "translate_shard",
        "--segments {h}/segments.jsonl --model {h}/translation_model --language es --engine-python {bergamot}"
        " --journal {out}/journal --output {out}/o",
        "o",
        {
            "segments.jsonl": jsonl("chunk segments"),
            "translation_model/manifest.json": document("model.bin config.yml"),
            "translation_model/model.bin": BYTES,
            "translation_model/vocab.spm": BYTES,
        },
    ),
    Reader(
        "translate",
        "--seed {h}/seed.jsonl --segments {h}/segments.jsonl --shards {h}/shard.jsonl --output {out}/o",
        "o",
        {
            "seed.jsonl": jsonl(SEED),
            "segments.jsonl": jsonl("chunk segments"),
            "shard.jsonl": jsonl("chunk translations pieced"),
        },
    ),
    Reader(
        "flag_translation",
        "--seed {h}/seed.jsonl --rows {h}/rows.jsonl --language es --languages {h}/languages.yaml"
        " --labels {h}/labels.yaml --model {h}/identifier.bin --output {out}/o --report {out}/r.md"
        " --picture {out}/r.png",
        "o r.md r.png",
        {
            "rows.jsonl": jsonl(SEED, **{"flags of the wrong type": rows_changed(lambda row: row.update(flags=OTHER))}),
            "languages.yaml": LANGUAGES,
            "labels.yaml": LABELS,
            "identifier.bin": BYTES,
        },
    ),
    Reader(
        "recipe",
        "--name r --language en={h}/seed.jsonl --language es={h}/flagged.jsonl --rows all --validation-rows 2 --seed 1"
        " --output {out}/o",
        "o",
        {
            "seed.jsonl": jsonl(SEED, **{"an id twice": same_id}),
            "flagged.jsonl": jsonl(
                SEED, **{"flags of the wrong type": rows_changed(lambda row: row.update(flags=OTHER))}
            ),
        },
    ),
    Reader(
        "tokenize_recipe",
        "--recipe {h}/recipe --tokenizer {h}/tokenizer --template {h}/template.json --max-length 70"
        " --tokens-of {h}/tokens --output {out}/o",
        "o",
        {
            "recipe/train.parquet": parquet("id lang instruction input output"),
            "recipe/validation.parquet": parquet("id lang instruction input output"),
            "tokens/counts.json": document(
                "train",
                **{"tokens of the wrong type": value_changed(lambda value: value["train"]["en"].update(tokens="9"))},
            ),
            **TOKENIZER,
            **TEMPLATE,
        },
    ),
    Reader(
        "train",
        "--method lora --model {h}/bloom --tokens {h}/tokens --adapter-modules query_key_value"
        " --tokenizer {h}/tokenizer --template {h}/template.json"
        " --settings {h}/training.json --micro-batch {h}/micro-batch.json --checkpoints {out}/checkpoints"
        " --output {out}/o",
        "o",
        {
            **BASE,
            **TOKENIZER,
            **TEMPLATE,
            "tokens/train/data-00000-of-00001.arrow": BYTES,
            "tokens/validation/data-00000-of-00001.arrow": BYTES,
            "tokens/train/state.json": BYTES,
            "tokens/train/dataset_info.json": document("", another=value_changed(lambda it: it.update(features=OTHER))),
            "tokens/dataset_dict.json": document("splits"),
            "micro-batch.json": document("tokens"),
            "training.json": document("batch epochs learning_rate schedule lora"),
        },
    ),
    Reader(
        "fetch_tuned",
        "--method lora --path {h}/models/lora/bloom/multilingual --base {h}/bloom --adapter-modules query_key_value"
        " --tokenizer {h}/tokenizer --output {out}/o",
        "o",
        ADAPTED | TOKENIZER,
    ),
    Reader(
        "merge_adapter",
        "--base {h}/bloom --adapter {h}/models/lora/bloom/multilingual --precision fp32 --output {out}/o",
        "o",
        BASE | ADAPTED | {f"{ADAPTER}/{name}": damaged for name, damaged in COMPANIONS.items()},
    ),
    Reader(
        "respond",
        "--method lora --base {h}/bloom --model {h}/models/lora/bloom/multilingual --tokenizer {h}/tokenizer"
        " --template {h}/template.json --prompts en={h}/prompts/en.jsonl --settings {h}/responding.json"
        " --journal {out}/journal --output {out}/o --metadata {out}/m",
        "o m",
        {
            **BASE,
            **ADAPTED,
            **TOKENIZER,
            **TEMPLATE,
            "prompts/en.jsonl": jsonl("id prompt"),
            "responding.json": document("beams cut_at batch precision"),
        },
    ),
    Reader(
        "judge",
        "--responses {h}/responses.jsonl --template {h}/judge.txt --judge {h}/judge.json --journal {out}/journal"
        " --output {out}/o",
        "o",
        {
            "responses.jsonl": IDS,
            "judge.txt": TEXT | BYTES,
            "judge.json": document(
                "name model", **{"serve of the wrong type": value_changed(lambda v: v.update(serve=OTHER))}
            ),
        },
    ),
    Reader(
        "langid",
        "--responses {h}/responses.jsonl --model {h}/identifier.bin --languages {h}/languages.yaml"
        " --labels {h}/labels.yaml --english-words {h}/words --output {out}/o",
        "o",
        {
            "responses.jsonl": jsonl("lang id response"),
            "words": TEXT | BYTES,
            "identifier.bin": BYTES
            | {"text": in_utf_16, "a byte too few": lambda p: p.write_bytes(p.read_bytes()[:-1])},
            "languages.yaml": LANGUAGES,
            "labels.yaml": LABELS,
        },
    ),
    Reader(
        "score",
        "--responses {h}/responses.jsonl --decoding {h}/responses.json --ratings {h}/j/lora/bloom/multilingual.jsonl"
        " --langid {h}/langid.jsonl --judge j --method lora --model bloom --recipe multilingual --output {out}/o",
        "o",
        {
            "responses.jsonl": IDS,
            "responses.json": document("decoding"),
            "j/lora/bloom/multilingual.jsonl": jsonl(
                "lang id repeat rating explanation model fingerprint",
                **{"off the scale": rows_changed(lambda row: row.update(rating=7))},
            ),
            "langid.jsonl": jsonl("lang id label probability match code_decides lines_match words_match"),
        },
    ),
    Reader(
        "collect_scores",
        "--scores {h}/score.parquet --output {out}/o",
        "o",
        {"score.parquet": parquet(f"{SCORES} prompt response rating ratings explanation label match score")},
    ),
    Reader(
        "controls",
        "--texts en={h}/texts.jsonl --output {out}/o",
        "o",
        {"texts.jsonl": jsonl("id prompt answer verbose")},
    ),
    Reader(
        "control_report",
        "--controls j={h}/controls.jsonl --output {out}/o",
        "o",
        {"controls.jsonl": jsonl("lang id repeat rating")},
    ),
    Reader(
        "judge_report",
        "--ratings j={h}/j/lora/bloom/multilingual.jsonl --responses {h}/given/lora/bloom/multilingual.jsonl"
        " --controls j={h}/controls.jsonl --prices {h}/prices.json --output-prefix {out}/t",
        "t.csv t.md",
        {
            "given/lora/bloom/multilingual.jsonl": jsonl("lang id response"),
            "controls.jsonl": jsonl(RATED.replace("explanation ", "")),
            "j/lora/bloom/multilingual.jsonl": jsonl(
                RATED.replace("explanation ", ""),
                **{"usage of text": rows_changed(lambda row: row["usage"].update(prompt_tokens="7"))},
            ),
            "prices.json": document("", **{"half a price": value_changed(lambda value: value.update(j={"prompt": 1}))}),
        },
    ),
    Reader(
        "costs",
        "--models {h}/models/lora/bloom/multilingual --output-prefix {out}/t",
        "t.csv t.md",
        {
            f"{ADAPTER}/training.json": {
                name: damage
                for name, damage in document("tokens device ranks seconds flops mfu peak_memory steps").items()
                if name != "missing"  # a released model has none
            }
        },
    ),
    Reader(
        "figure",
        "--scores {h}/scores.parquet --figure {h}/figure.json --config {h}/config.yaml --fonts {fonts}"
        " --output-prefix {out}/figure",
        "figure.csv figure.json figure.pdf",
        {
            "scores.parquet": parquet(f"{SCORES} rating score judge_model fingerprint"),
            "figure.json": document("number kind title runs models languages panels maximum uncertainty judge note"),
            "config.yaml": ANY,
        },
    ),
    Reader(
        "budget",
        "--scores {h}/scores.parquet --costs {h}/costs.csv --selection {h}/budget.json --config {h}/config.yaml"
        " --fonts {fonts} --output-prefix {out}/figure",
        "figure.csv figure.json figure.pdf",
        {
            "scores.parquet": parquet(f"{SCORES} rating score judge_model fingerprint"),
            "costs.csv": table("method", "device_hours", "flops", number="flops"),
            "budget.json": document("runs models langs trained prompts uncertainty judge note"),
        },
    ),
    Reader(
        "claims",
        "--scores {h}/scores.parquet --claims {h}/claims.yaml --selection {h}/claims.json --output-prefix {out}/t",
        "t.csv t.md",
        {
            "scores.parquet": parquet(f"{SCORES} rating score"),
            "claims.yaml": TEXT
            | BYTES
            | {
                "wrong type": replaced("compare: ", "compare: 7 # "),
                "without it": replaced("statistic:", "statistics:"),
            },
            "claims.json": document("figures models families methods languages names prompts uncertainty"),
        },
    ),
    Reader(
        "table2",
        "--scores {h}/scores.parquet --languages {h}/languages.yaml --output-prefix {out}/t",
        "t.csv t.md",
        {
            "scores.parquet": parquet(f"{SCORES} prompt response rating explanation label probability match"),
            "languages.yaml": LANGUAGES,
        },
    ),
    Reader(
        "answer_browser",
        "--scores {h}/scores.parquet --languages {h}/languages.yaml --parts {h}/answers --pages {out}/t"
        " --output {out}/o",
        "o t",
        {
            "scores.parquet": parquet(
                f"{SCORES} prompt response rating ratings explanation label probability match score"
            ),
            "languages.yaml": LANGUAGES,
            "answers/page.html": TEXT,
            "answers/page.js": TEXT,
        },
    ),
    Reader(
        "score_table",
        "--scores {h}/scores.parquet --prompts 2 --level 0.95 --resamples 100 --seed 1 --output-prefix {out}/t",
        "t.csv t.md t.tex",
        {"scores.parquet": parquet(f"{SCORES} rating score")},
    ),
    Reader(
        "language_table",
        "--scores {h}/scores.parquet --output-prefix {out}/t",
        "t.csv t.md",
        {"scores.parquet": parquet(f"{SCORES} label probability match code_decides lines_match words_match")},
    ),
    Reader(
        "overlap",
        "--prompts es={h}/prompts/es.jsonl --rows es={h}/flagged.jsonl --languages {h}/languages.yaml"
        " --output-prefix {out}/t",
        "t.csv t.md t-pairs.csv",
        {
            "prompts/es.jsonl": jsonl("id prompt"),
            "flagged.jsonl": jsonl(SEED),
            "languages.yaml": LANGUAGES,
        },
    ),
    Reader(
        "summary",
        "--scores {h}/scores.parquet --costs {h}/costs.csv --judge-report {h}/judges.csv --judge J --output {out}/o",
        "o",
        {
            "scores.parquet": parquet(f"{SCORES} rating match score"),
            "costs.csv": table("method", "device_hours", "flops", number="flops"),
            "judges.csv": table("table", "judge", "language", "measure", "value", number="value"),
        },
    ),
    Reader(
        "page",
        "--markdown {h}/page.md --title T --parts {h}/pages --output {out}/o",
        "o",
        {"page.md": TEXT, "pages/page.html": TEXT, "pages/page.js": TEXT},
    ),
    Reader(
        "train_langid",
        "--corpus en={h}/en.txt es={h}/es.txt --languages {h}/languages.yaml --output {out}/o",
        "o",
        {"es.txt": TEXT | {"empty": BYTES["empty"]}, "languages.yaml": LANGUAGES},
    ),
    Reader(
        "train_tokenizer",
        "--corpus {h}/en.txt --template {h}/template.json --vocabulary 300 --output {out}/o",
        "o",
        {"en.txt": TEXT | {"empty": BYTES["empty"]}, **TEMPLATE},
    ),
    Reader(
        "pretrain",
        "--architecture {h}/architecture.json --corpus {h}/en.txt --tokenizer {h}/tokenizer"
        " --template {h}/template.json --settings {h}/pretraining.json --output {out}/o",
        "o",
        {
            "en.txt": TEXT | {"empty": BYTES["empty"]},
            "architecture.json": document("model_type"),
            "pretraining.json": document("steps learning_rate"),
            **TOKENIZER,
            **TEMPLATE,
        },
    ),
    Reader(
        "demo_text",
        "corpus --grammar {h}/grammar.yaml --language en --characters 500 --seed 1 --output {out}/o",
        "o",
        {"grammar.yaml": TEXT | BYTES | {"without it": replaced("phrases:", "sentences:")}},
    ),
    Reader(
        "check_config",
        f"{CONFIG} {{h}}/overlay.yaml",
        "",
        {
            "overlay.yaml": TEXT
            | {
                "cut in the middle": cut_at(0.5),
                "a list": lambda p: p.write_text("[1]"),
            },
            "ten/es.jsonl": jsonl("id prompt"),
            "own-seed.jsonl": jsonl("instruction output"),
            "claims.yaml": TEXT | BYTES,
            "languages.yaml": LANGUAGES,
            "released-models.yaml": TEXT
            | BYTES
            | {
                "without it": replaced("revision:", "revisions:"),
                "wrong type": replaced("\npickled:", "\npickled: {}\nx:"),
            },
        },
        {"study.references.LANGUAGES": "languages.yaml", "study.released.REGISTRY": "released-models.yaml"},
    ),
    Reader(
        "check_config",
        f"{CONFIG} {{h}}/firefox.yaml",
        "",
        {
            "translation-models.json": document(
                "index models", **{"a model without files": value_changed(lambda v: v["models"][0].pop("files"))}
            )
        },
        {"study.origins.REGISTRY": "translation-models.json"},
    ),
]
CASES = [
    pytest.param(reader, file, damage, id=f"{reader.program}: {file}: {name}")
    for reader in READERS
    for file, damages in reader.reads.items()
    for name, damage in damages.items()
]


def run(program: str, options: str, **patched: Path) -> str | int | None:
    """Run a program in this process. Returns its exit status, or its error line if it fails."""
    module = importlib.import_module(program)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{program}.py", *options.split()])
        for name, path in patched.items():
            home, _, constant = name.rpartition(".")
            patch.setattr(importlib.import_module(home), constant, path)
        try:
            command_line(module.main)
        except SystemExit as end:
            return end.code
    return None


def read(reader: Reader, house: Path, out: Path) -> str | int | None:
    """Run a reader in a house."""
    places = {"h": house, "out": out, "bergamot": BERGAMOT, "fonts": REPOSITORY / "resources" / "fonts"}
    patched = {name: house / file for name, file in reader.patched.items()}
    return run(reader.program, reader.options.format(**places), **patched)


def rows_of(path: Path, count: int) -> list[dict]:
    return read_jsonl(path)[:count]


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    """A folder with one artifact of every kind."""
    h = trainings.make_house(tmp_path_factory.mktemp("house"))
    resources = REPOSITORY / "resources"
    for source in (
        "languages.yaml",
        "claims.yaml",
        "released-models.yaml",
        "translation-models.json",
        "demo/grammar.yaml",
    ):
        shutil.copy(resources / source, h)
    shutil.copy(resources / "templates" / "judge.txt", h)
    shutil.copy(resources / "controls" / "en.jsonl", h / "texts.jsonl")
    for parts in ("answers", "pages"):
        shutil.copytree(resources / parts, h / parts)
    (h / "words").write_text("book\nhouse\n")
    (h / "labels.yaml").write_text('normalise: none\nlabels: {en: [eng_Latn], es: [spa_Latn], "no": [nob_Latn]}\n')
    (h / "packed").mkdir()
    for name in ("enes.tar.gz", "checksums.json"):
        shutil.copy(DEMO / "translation" / name, h / "packed")
    write_jsonl(h / "own-seed.jsonl", rows_of(DEMO / "seed.jsonl", 14))
    write_jsonl(h / "ten" / "es.jsonl", rows_of(DEMO / "prompts" / "es.jsonl", 10))
    for lang in ("en", "es"):
        write_jsonl(h / "prompts" / f"{lang}.jsonl", rows_of(DEMO / "prompts" / f"{lang}.jsonl", 2))
        run(
            "demo_text",
            f"corpus --grammar {h}/grammar.yaml --language {lang} --characters 40000 --seed 1 --output {h}/{lang}.txt",
        )
    overlay = {"experiment": "x", "random_seed": 42, "claims": f"{h}/claims.yaml"}
    data = {"seed": f"{h}/own-seed.jsonl", "prompts": {"default": "demo-prompts", "es": f"{h}/ten/es.jsonl"}}
    write_json(h / "overlay.yaml", overlay | {"data": data})
    write_json(h / "firefox.yaml", {"translation": {"source": "firefox", "architecture": "base-memory"}})
    (h / "config.yaml").write_text("experiment: x\n")
    settings = trainings.settings() | {"micro_batch_tokens": "auto"}
    for name, value in {
        "training": settings, "micro-batch": {"tokens": 600}, "responding": RESPONDING, "judge": JUDGE,
        "figure": FIGURE, "budget": BUDGET, "claims": CLAIMS, "prices": {"j": {"prompt": 1, "completion": 1}},
        "architecture": tiny.ARCHITECTURES["bloom"],
        "pretraining": {"steps": 2, "batch": 2, "length": 16, "learning_rate": 0.01, "seed": 1},
    }.items():  # fmt: skip
        write_json(h / f"{name}.json", value)

    made = {
        "seed": "seed.jsonl", "segment": "segments.jsonl", "translation_model": "translation_model",
        "translate_shard": "shard.jsonl", "translate": "rows.jsonl", "train_langid": "identifier.bin",
        "flag_translation": "flagged.jsonl", "train": "models/lora/bloom/multilingual", "respond": "responses.jsonl",
        "judge": "j/lora/bloom/multilingual.jsonl", "langid": "langid.jsonl", "score": "score.parquet",
        "collect_scores": "scores.parquet",
    }  # fmt: skip
    out = h / "made"
    readers = {reader.program: reader for reader in READERS}
    for program, place in made.items():
        assert read(readers[program], h, out) in (None, 0), program
        (h / place).parent.mkdir(parents=True, exist_ok=True)
        (out / "o").rename(h / place)
        if program == "respond":
            (out / "m").rename(h / "responses.json")
    (h / "given" / "lora" / "bloom").mkdir(parents=True)
    shutil.copy(h / "responses.jsonl", h / "given" / "lora" / "bloom" / "multilingual.jsonl")
    rated = rows_of(h / "j" / "lora" / "bloom" / "multilingual.jsonl", 99)
    write_jsonl(h / "controls.jsonl", [row | {"id": f"good/{row['id']}"} for row in rated])
    write_jsonl(h / "own" / "es.jsonl", [row | {"output": "Sí"} for row in rows_of(h / "seed.jsonl", 99)])
    for program, place in {"costs": "costs.csv", "judge_report": "judges.csv", "table2": "page.md"}.items():
        assert read(readers[program], h, out) is None
        (out / "t").with_suffix(Path(place).suffix).rename(h / place)
    shutil.rmtree(out)
    return h


@pytest.fixture
def out(tmp_path) -> Path:
    """The folder that programs write to, with earlier outputs in it."""
    for name in {name for reader in READERS for name in reader.makes.split()}:
        (tmp_path / name).write_text("made before")
    return tmp_path


@pytest.fixture
def whole(house) -> Iterator[Callable[[str], Path]]:
    """A function that lends a file of the house to be damaged; the file is restored when the test ends."""
    kept = house / "kept"
    kept.mkdir()
    lent = []

    def lend(file: str) -> Path:
        lent.append(file)
        shutil.copy(house / file, kept / "file")
        return house / file

    yield lend
    for file in lent:
        shutil.rmtree(house / file) if (house / file).is_dir() else (house / file).unlink(missing_ok=True)
        shutil.copy(kept / "file", house / file)
    shutil.rmtree(kept)


@pytest.mark.parametrize("reader", READERS, ids=[reader.program for reader in READERS])
def test_from_sound_files_every_program_makes_its_outputs(reader, house, out):
    assert read(reader, house, out) in (None, 0)
    for name in reader.makes.split():
        assert (out / name).is_dir() or (out / name).read_bytes() != b"made before"


@pytest.mark.parametrize(("reader", "file", "damage"), CASES)
def test_a_damaged_file_is_named_in_one_line_and_earlier_outputs_stay(reader, file, damage, house, out, whole, capfd):
    path = whole(file)
    damage(path)
    line = read(reader, house, out)
    assert isinstance(line, str), "it was read as if it were sound"
    assert line.startswith("error: ") and "\n" not in line
    assert capfd.readouterr().err == ""  # the line itself is printed by Python on exit
    within = [path, *(house / parent for parent in path.relative_to(house).parents if parent.name)]
    assert any(str(place) in line for place in within) or line.startswith(("error: --", "error: settings"))
    assert "; " in line, "no remedy"
    assert all((out / name).read_bytes() == b"made before" for name in reader.makes.split())


# ---- damage that is ignored


JOURNAL = jsonl("key value", **{"a value of the wrong type": rows_changed(lambda row: row.update(value=[["text"]]))})
del JOURNAL["a folder"]
PAID_FOR = {reader.program: reader for reader in READERS if "{out}/journal" in reader.options}


@pytest.mark.parametrize("program", PAID_FOR)
def test_damaged_journal_entries_are_made_again_and_the_output_is_the_same(program, house, out):
    reader = PAID_FOR[program]
    assert read(reader, house, out) is None
    wanted, journal = (out / "o").read_bytes(), out / "journal"
    kept = journal.read_bytes()
    for name, damage in JOURNAL.items():
        journal.write_bytes(kept)
        damage(journal)
        assert read(reader, house, out) is None, name
        assert (out / "o").read_bytes() == wanted, name


@pytest.mark.parametrize("program", PAID_FOR)
def test_a_folder_in_place_of_a_journal_is_named(program, house, out):
    (out / "journal").mkdir()
    line = read(PAID_FOR[program], house, out)
    assert line == f"error: {out}/journal: is a folder; give a file"


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """A whole checkpoint of a run."""
    made = tmp_path / "checkpoints" / "checkpoint-3"
    write_json(made.parent / "run.json", "this run")
    write_json(made / "state.json", {"step": 3})
    checkpoints.mark_whole(made, 1.5)
    assert checkpoints.find_resumable(made.parent, "this run") == made
    return made


@pytest.mark.parametrize("name", document("sizes seconds"))
def test_a_checkpoint_whose_list_of_sizes_is_damaged_is_not_resumed(name, checkpoint):
    document("sizes seconds")[name](checkpoint / checkpoints.WHOLE)
    assert checkpoints.find_resumable(checkpoint.parent, "this run") is None


@pytest.mark.parametrize("name", document(""))
def test_checkpoints_of_an_unknown_run_are_not_resumed(name, checkpoint):
    document("")[name](checkpoint.parent / "run.json")
    assert checkpoints.find_resumable(checkpoint.parent, "this run") is None

"""The local files and folders that a configuration names."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from answering.language_confusion import read_english_words
from basics.errors import InputError, system_fault
from basics.paths import REPOSITORY
from basics.reading import read_jsonl
from data.prompts import FIELDS, check_prompts
from data.rows import check_sample, normalise, read_rows
from judging.sheets import read_sheet
from reporting.claim_rules import SERIES, check_names, read_claims
from study.controls import Controls
from study.matrix import Matrix, Run
from study.released import CONFIGS, folder_of
from study.series import METHODS
from study.short_forms import answering_template, place_of, training_template

UNUSABLE = re.compile(r"[\n\t<>{}]")  # in a path


def check_files(config: Mapping, released: Iterable[Run]) -> None:
    """Raise InputError for a file or folder that the run will read and that is missing or unreadable.

    `released` are the runs whose models are released.
    """
    for key, path in _named_files(config, released):
        if path.startswith("-") or UNUSABLE.search(path):
            raise InputError(
                f"config: {key}: the path {path!r} begins with a hyphen, or contains a line break or one of < > {{ }},"
                " which have a meaning to Snakemake; rename it, or name a link to it"
            )
        try:
            found = (REPOSITORY / path).exists()
        except OSError as error:
            raise InputError(f"config: {key}: {path}: {system_fault(error)}") from None
        if not found:
            raise InputError(f"config: {key}: {path} does not exist; {_remedy(REPOSITORY / path)}")
        if key.endswith(".tokenizer.path"):
            _check_tokenizer(key, (REPOSITORY / path).parent)
    _check_claims(config)
    seed = place_of(config["data"]["seed"], config["sources"])
    if seed:
        rows = normalise(read_rows(Path(seed)), Path(seed))
        check_sample(config["data"]["rows"], len(rows), Path(seed))
    words = config["data"]["english_words"]
    if words and (place := place_of(words, config["sources"])):
        read_english_words(place)
    for judge in config["judges"]:
        if "human" in judge:
            read_sheet(REPOSITORY / judge["human"], REPOSITORY / judge["sheet_key"])
    for lang, name in config["data"]["prompts"].items():
        if place := place_of(name, config["sources"], lang):
            path = Path(place)
            check_prompts(read_jsonl(path, fields=FIELDS), path, config["data"]["prompts_expected"])


def _check_claims(config: Mapping) -> None:
    """Raise InputError for a file of claims that is not one, or that names what the configuration does not have."""
    mixed = [f"mono-{lang}" for lang in config["languages"]["seen"]]
    known = {key: config[key] for key in ("methods", "families")} | {"recipes": [*SERIES, *mixed, *config["recipes"]]}
    check_names(config["claims"], read_claims(config["claims"]), known)


def _remedy(path: Path) -> str:
    """What to do about a file that does not exist."""
    if path.name == "tokenizer.json" and path.with_name("tokenizer.model").is_file():
        return "convert the tokenizer.model there (workflow/scripts/convert_tokenizer.py) and name that output instead"
    return "correct the path or put the file there"


def _check_tokenizer(key: str, folder: Path) -> None:
    """Raise InputError if a tokenizer has a SentencePiece model beside it that gives other ids."""
    if not (folder / "tokenizer.model").is_file():
        return
    from models.sentencepiece_models import check_folder

    try:
        check_folder(folder)
    except InputError as fault:
        raise InputError(f"config: {key}: {fault}") from None


def _named_files(config: Mapping, released: Iterable[Run]) -> Iterator[tuple[str, str]]:
    """Yield (key, path) for every local file or folder that the run will read."""
    data, sources = config["data"], config["sources"]
    uses = [use for use in ("seed", "identifier", "english_words") if data[use] is not None]
    named = [(f"data.{use}", data[use], None) for use in uses]
    named += [(f"data.prompts.{lang}", name, lang) for lang, name in data["prompts"].items()]
    for lang, name in config["translation"]["source"].items():
        if name == "packed":
            yield "translation.packed", config["translation"]["packed"].replace("{lang}", lang)
        elif name != "firefox":
            named.append((f"translation.source.{lang}", name, lang))
    if "/" in (labels := sources[data["identifier"]].get("labels", "")):
        yield f"sources.{data['identifier']}.labels", labels
    for key, name, lang in named:
        if place := place_of(name, sources, lang):
            yield key if "/" in name else f"sources.{name}.path", place
    for method, model, recipe in released:
        if folder := folder_of(config, method, model, recipe):
            yield f"released.{method}.path", f"{folder}/{CONFIGS[method]}"
    yield "claims", config["claims"]
    for path in Controls(config, Matrix(config)).files.values():
        yield "controls", path
    for method in METHODS:
        yield "tokenize.template", training_template(config, method)
        yield f"respond.{method}.template", answering_template(config, method)
    if "corpus" in config:
        yield "corpus.grammar", config["corpus"]["grammar"]
    for position, judge in enumerate(config["judges"]):
        for path in judge.get("files", []):
            yield f"judges[{position}].files", path
        for key in ("human", "sheet_key"):
            if key in judge:
                yield f"judges[{position}].{key}", judge[key]
    for model in {model for models in config["select"].values() for model in models}:
        entry = config["models"][model]
        if "path" in entry:
            yield f"models.{model}.path", f"{entry['path']}/config.json"
        tokenizer = config["families"][entry["family"]]["tokenizer"]
        if "gguf" in entry:
            yield f"models.{model}.gguf", entry["gguf"]
        if "gguf" in tokenizer:
            yield f"families.{entry['family']}.tokenizer.gguf", tokenizer["gguf"]
        if "path" in tokenizer:
            yield f"families.{entry['family']}.tokenizer.path", f"{tokenizer['path']}/tokenizer.json"

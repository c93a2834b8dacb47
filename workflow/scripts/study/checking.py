"""The checks of a configuration: what is wrong is one line that names the key and the remedy."""

import difflib
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml
from humanfriendly import parse_size
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend

from basics.errors import InputError, system_fault
from basics.kinds import text_fault
from basics.paths import REPOSITORY
from basics.reading import read_jsonl
from data.flags import FLAGS
from data.languages import read_table
from data.prompts import FIELDS, check_prompts
from data.rows import normalise, read_rows
from judging.settings import check_base_url
from reporting.claim_rules import read_claims
from serving.server import command_words
from study.configuration import SCHEMA
from study.contradictions import check_figures, check_recipes
from study.matrix import Matrix, Run
from study.released import CONFIGS, folder_of, pin_of, read_registry, repository_of
from study.released import REGISTRY as RELEASED
from study.series import METHODS
from study.short_forms import (
    answering_template,
    expanded,
    methods_of,
    place_of,
    recipes_of,
    sweeps,
    training_template,
)
from training.flops import PEAKS, peak_flops
from translating import registry

DEEPEST = 20  # keys and places of lists that lead to a setting
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")  # but for tab and "\n"; some end a line too
UNUSABLE = re.compile(r"[\n\t<>{}]")  # in a path
LANGUAGES = REPOSITORY / "resources" / "languages.yaml"
REGISTRY = REPOSITORY / "resources" / "translation-models.json"


def check(config: Mapping) -> None:
    """Raise InputError, one line, at the first fault of the merged configuration."""
    _refuse_unusable(config)
    validator = Validator(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    fault = best_match(validator.iter_errors(config))
    if fault:
        raise InputError(_describe(fault, validator.schema))
    for key, used, known, remedy in _references(config):
        if used not in known:
            raise InputError(f"config: {key}: {used!r} is not {remedy}{_suggestion(used, known)}")
    study = expanded(config)
    check_recipes(study)
    check_figures(study)
    _check_consistency(study)
    _check_translation(study)
    _check_hashes(study)
    _check_released(study)
    _check_responding(study)
    _check_files(study)


def check_or_exit(config: Mapping) -> None:
    """Check, and end the program with the one line alone: Snakemake wraps any other exception in a traceback."""
    try:
        check(config)
    except InputError as error:
        sys.exit(f"error: {error}")


def key_path(keys: Iterable[object]) -> str:
    """Write a path of keys and list positions as a reader would: figures.figure2.runs.lora[0]; on one line, whatever
    characters somebody has put into a name."""
    path = ""
    for key in keys:
        path += f"[{key}]" if isinstance(key, int) and not isinstance(key, bool) else f".{key}"
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in path)
    return shown.lstrip(".") or "the file"


def _whole_text(validator: object, pattern: str, text: object, schema: Mapping) -> Iterator[ValidationError]:
    """`pattern` as JSON Schema means it: Python's $ lets a line end follow, with which a name would end a command."""
    if isinstance(text, str) and not re.search(re.sub(r"\$(?=\)|$)", r"\\Z", pattern), text):
        yield ValidationError(f"{text!r} does not match {pattern!r}")


Validator = extend(Draft202012Validator, {"pattern": _whole_text})


def _refuse_unusable(value: object, keys: tuple = ()) -> None:
    """Refuse what no setting can be, wherever it stands.

    Text that no command line or file can hold; numbers that are none; names that are no text; a boolean (but in a
    model's `architecture`, which is Transformers' own), which is YAML's reading of an unquoted no, yes, on or off.
    """
    key = key_path(keys)
    if len(keys) > DEEPEST:
        raise InputError(f"config: {key[:100]}...: nested too deeply; leave it out")
    if isinstance(value, str) and (text_fault(value) or UNPRINTABLE.search(value)):
        raise InputError(f"config: {key}: {value!r} holds a character that cannot be written; leave it out")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"config: {key}: {value} is no number to reckon with; write another")
    if isinstance(value, bool) and "architecture" not in keys:
        written = "no" if value is False else "yes"
        raise InputError(
            f'config: {key}: YAML reads an unquoted {written} as {str(value).lower()}; write "{written}" in quotes'
        )
    if isinstance(value, Mapping):
        for name, item in value.items():
            _refuse_unusable(name, (*keys, "a key"))
            if not isinstance(name, str):
                raise InputError(
                    f"config: {key_path((*keys, str(name)))}: the name {name!r} is not text; put it in quotes"
                )
            _refuse_unusable(item, (*keys, name))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _refuse_unusable(item, (*keys, position))


def _describe(fault: ValidationError, schema: dict) -> str:
    """Turn a schema fault into one line with the key, what is wrong, and what the key means."""
    key = key_path(fault.absolute_path)
    if fault.validator == "additionalProperties":
        known = list(fault.schema.get("properties", {}))
        unknown = next(name for name in fault.instance if name not in known)
        place = key_path((*fault.absolute_path, unknown))
        return f"config: {place}: unknown key{_suggestion(unknown, known)}; known are {', '.join(known)}"
    if fault.validator == "required":
        missing = next(name for name in fault.validator_value if name not in fault.instance)
        return f"config: {key_path((*fault.absolute_path, missing))}: missing; {_meaning(fault.schema, missing)}"
    if fault.validator == "oneOf" and all("required" in choice for choice in fault.validator_value):
        choices = " or ".join(" and ".join(choice["required"]) for choice in fault.validator_value)
        return f"config: {key}: give exactly one of {choices}"
    wanted = str(fault.message).replace("\n", " ")
    if isinstance(fault.instance, str) and fault.validator == "type" and "number" in str(fault.validator_value):
        wanted += "; YAML reads 1e-5 as text: write 1.0e-5"
    meaning = fault.schema.get("description", "") if isinstance(fault.schema, dict) else ""
    return f"config: {key}: {wanted}" + (f" ({' '.join(meaning.split())})" if meaning else "")


def _meaning(schema: Mapping, key: str) -> str:
    """What a missing key is for, in the schema's words."""
    described = schema.get("properties", {}).get(key, {}).get("description", "see config/config.yaml")
    return " ".join(described.split())


def _suggestion(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(word), [str(name) for name in known], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _references(config: Mapping) -> Iterator[tuple[str, str, Iterable[str], str]]:
    """Yield (key, name used, names known, remedy) for every name that one part of the config takes from another."""
    codes = read_table(LANGUAGES)
    in_table = "in resources/languages.yaml: add it there with its name and labels"
    languages = config["languages"]
    for part, listed in languages.items():
        for position, code in enumerate(listed):
            yield f"languages.{part}[{position}]", code, codes, in_table
    trained = "one of languages.train: add it there, or leave it out here"
    for position, code in enumerate(languages["seen"]):
        yield f"languages.seen[{position}]", code, languages["train"], trained
    for recipe, mix in config["recipes"].items():
        for position, code in enumerate([] if mix["languages"] == "all" else mix["languages"]):
            yield f"recipes.{recipe}.languages[{position}]", code, languages["train"], trained
        mixed = languages["train"] if mix["languages"] == "all" else mix["languages"]
        for code in mix.get("weights", {}):
            yield f"recipes.{recipe}.weights", code, mixed, "one of its languages: add it there, or leave it out here"
    flag = f"a flag of translated rows; there are {', '.join(FLAGS)}"
    filters = {f"recipes.{recipe}.drop_flags": mix.get("drop_flags", []) for recipe, mix in config["recipes"].items()}
    for key, names in {"recipe.drop_flags": config["recipe"]["drop_flags"], **filters}.items():
        for position, name in enumerate(names):
            yield f"{key}[{position}]", name, FLAGS, flag
    for name, models in config["select"].items():
        for position, model in enumerate(models):
            yield f"select.{name}[{position}]", model, config["models"], "an entry of `models`: add it there"
    for position, figure in enumerate(config["draw"]):
        yield f"draw[{position}]", figure, config["figures"], "an entry of `figures`: add it there"
    recipes, methods, swept = recipes_of(config), methods_of(config), sweeps(config)
    for figure, content in config["figures"].items():
        for method, selections in content["runs"].items():
            yield f"figures.{figure}.runs", method, methods, "lora, full or an entry of `methods`: add it there"
            for position, selection in enumerate(selections):
                key = f"figures.{figure}.runs.{method}[{position}]"
                yield key, selection, config["select"], "an entry of `select`: add it there"
        if "sweep" in content:
            yield f"figures.{figure}.sweep", content["sweep"], swept, "a sweep of `recipes` or `methods`: add it there"
        for position, series in enumerate(content.get("series", [])):
            known = ["monolingual", "English", *recipes]
            yield (
                f"figures.{figure}.series[{position}]",
                series,
                known,
                "monolingual, English or a recipe: add it there",
            )
    for model, entry in config["models"].items():
        key = f"models.{model}.family"
        yield key, entry["family"], config["families"], "an entry of `families`: add it there"
    for family in config["plan"]["tokens_a_row"]:
        key = f"plan.tokens_a_row.{family}"
        yield key, family, ["default", *config["families"]], "an entry of `families`: leave it out"
    for method in ("lora", "full"):
        for model in config["released"][method]["models"]:
            yield f"released.{method}.models", model, config["models"], "an entry of `models`: add it there"
    built_in = [f"mono-{code}" for code in languages["seen"]]
    for recipe in config["released"]["recipes"]:
        yield "released.recipes", recipe, [*recipes, *built_in], "an entry of `recipes` or a built-in one: add it there"
    tested = [*languages["seen"], *languages["unseen"]]
    places = {
        "data.prompts": tested,
        "translation.source": languages["train"][1:],
        "translation.architecture": languages["train"][1:],
    }
    for key, codes in places.items():
        part, name = key.split(".")
        for code in config[part][name] if isinstance(config[part][name], Mapping) else []:
            yield (
                f"{key}.{code}",
                code,
                ["default", *codes],
                "a language of languages.train that is translated into, or that is tested: add it there",
            )
    for key, name in _named_sources(config):
        if "/" not in name:
            yield key, name, config["sources"], "an entry of `sources`: add it there, or write the path of a file"


def _named_sources(config: Mapping) -> Iterator[tuple[str, str]]:
    """Key and name of every source of data that is used: an entry of `sources`, or a path, which has a slash in it."""
    for use in ("seed", "prompts", "identifier"):
        given = config["data"][use]
        for code, name in given.items() if isinstance(given, Mapping) else [("", given)]:
            yield f"data.{use}.{code}".rstrip("."), name


def _check_consistency(config: Mapping) -> None:
    """Faults that lie between two settings."""
    languages = config["languages"]
    for leading in ("train", "seen"):
        if languages[leading][0] != "en":
            raise InputError(
                f"config: languages.{leading}[0]: is {languages[leading][0]!r}; put en first, the seed data's language"
            )
    both = set(languages["train"]) & set(languages["unseen"])
    if both:
        raise InputError(
            f"config: languages.unseen: {sorted(both)[0]!r} is also in languages.train; a language is one or the other"
        )
    reserved = [recipe for recipe in config["recipes"] if recipe.startswith("mono-")]
    if reserved:
        raise InputError(f"config: recipes.{reserved[0]}: names with mono- are the built-in ones; choose another name")
    for method, settings in config["methods"].items():
        if settings["train"]["validation"] == "none" and config["recipe"]["hold_out"] == "ids":
            raise InputError(
                f"config: train.{method}.validation: none trains on the held-out rows too, and recipe.hold_out: ids"
                " holds out those of every language, beyond the budget of one-language: set recipe.hold_out to rows"
            )
    for model in {model for models in config["select"].values() for model in models}:
        largest = min(max(row["up_to"] for row in config["compute"][method]) for method in METHODS)
        if config["models"][model]["billions"] > largest:
            raise InputError(
                f"config: compute: no row reaches models.{model}.billions; add one to lora and full with a larger up_to"
            )
    for method, rows in (("lora", config["compute"]["lora"]), ("full", config["compute"]["full"])):
        for position, row in enumerate(rows):
            _check_memory_savers(f"compute.{method}[{position}]", method, row)
            _check_nodes(f"compute.{method}[{position}]", method, row, config["compute"]["node"])
    made = [entry["family"] for entry in config["models"].values() if "architecture" in entry]
    if made and not {"corpus", "pretrain"} <= config.keys():
        raise InputError("config: corpus, pretrain: missing; models with an `architecture` are made from them")
    templates = [Path(path) for path in dict.fromkeys(training_template(config, method) for method in METHODS)]
    if len({path.stem for path in templates}) < len(templates):
        raise InputError(
            f"config: tokenize.template: two files are called {templates[0].stem}; their tokens would share a folder:"
            " rename one"
        )
    device = config["plan"]["device"]
    if not (config["plan"]["flops"] or peak_flops(device)):
        raise InputError(
            f"config: plan.device: {device!r} is none of {', '.join(PEAKS)}; take one, or write the FLOP/s of its data"
            " sheet as plan.flops"
        )
    names = [judge["name"] for judge in config["judges"]]
    if len(set(names)) < len(names):
        raise InputError("config: judges: two have the same name; their ratings would share a folder: rename one")
    for position, judge in enumerate(config["judges"]):
        _check_judge(f"judges[{position}]", judge)


def _check_command(key: str, command: str) -> None:
    """A command to serve something must have an end to each of its quotes."""
    with _under(key):
        command_words(command)


@contextmanager
def _under(key: str) -> Iterator[None]:
    """Say of a fault within the block under which key of the configuration it is."""
    try:
        yield
    except InputError as fault:
        raise InputError(f"config: {key}: {fault}") from None


def _check_judge(key: str, judge: Mapping) -> None:
    """What goes with a price, and what with a server."""
    _check_command(f"{key}.serve", judge.get("serve", ""))
    if "budget" in judge and "price" not in judge:
        raise InputError(f"config: {key}.budget: needs {key}.price, US dollars a million tokens, to be reckoned with")
    for name in ("gpus", "memory", "runtime"):
        if name in judge and "serve" not in judge:
            raise InputError(f"config: {key}.{name}: is for a judge that its job serves; leave it out")
        if name in judge and "gpus" not in judge:
            raise InputError(f"config: {key}.{name}: is for a job with gpus; say how many, or leave it out")
    if judge.get("api") == "batch" and "serve" in judge:
        raise InputError(f"config: {key}.api: batch is for an endpoint at base_url; a served judge is called")
    if "base_url" in judge:
        with _under(key):
            check_base_url(judge["base_url"], judge.get("key_env"))


def _check_memory_savers(key: str, method: str, row: Mapping) -> None:
    """ZeRO is for full-parameter training, and moves only what its stage divides."""
    for name in ("zero_stage", "offload"):
        if method == "lora" and name in row:
            raise InputError(f"config: {key}.{name}: is for full; LoRA trains little, leave it out")
    if row.get("offload", "none") != "none" and "zero_stage" not in row:
        raise InputError(f"config: {key}.offload: needs zero_stage; only DeepSpeed moves its state to the host")
    if row.get("offload") == "all" and row["zero_stage"] != 3:
        raise InputError(f"config: {key}.offload: all needs zero_stage 3; with 2 only the optimizer can be moved")


def _check_nodes(key: str, method: str, row: Mapping, node: Mapping) -> None:
    """A job must find nodes that it fits: Slurm would refuse it, or let it wait for ever."""
    if row["ranks"] > node["gpus"] and method == "lora":
        raise InputError(f"config: {key}.ranks: LoRA runs on one node, and compute.node.gpus is {node['gpus']}")
    if row["ranks"] > node["gpus"] and row["ranks"] % node["gpus"]:
        raise InputError(f"config: {key}.ranks: several nodes are filled; take a multiple of compute.node.gpus")
    if parse_size(row["memory"]) > parse_size(node["memory"]):
        raise InputError(f"config: {key}.memory: is more than compute.node.memory, {node['memory']}")


def _check_translation(config: Mapping) -> None:
    """Faults of where translations come from: every language must have a model, a hash, or a file of its own."""
    languages: dict[str, list[str]] = {}
    for lang, source in config["translation"]["source"].items():
        languages.setdefault(source, []).append(lang)
    packed = config["translation"]["packed"]
    for source, langs in languages.items():
        if source == "firefox":
            _check_models(config, langs)
        elif source == "packed" and not packed:
            raise InputError(
                "config: translation.packed: missing; with source packed, name the archives, {lang} inside"
            )
        elif source == "packed" and len(langs) > 1 and "{lang}" not in packed:
            raise InputError("config: translation.packed: is one file for all languages; write {lang} in its name")
        elif "/" in source and len(langs) > 1 and "{lang}" not in source:
            raise InputError(
                f"config: translation.source: {source} is one file for {langs[0]} and {langs[1]}; write {{lang}} in it"
            )
        elif source != "packed" and "/" not in source:
            _check_published(config, source, langs)


def _check_hashes(config: Mapping) -> None:
    """What is downloaded must be what was looked at: the file of an address, or those of the languages asked of it."""
    used = [*config["data"]["prompts"].items(), *config["translation"]["source"].items()]
    for name, entry in config["sources"].items():
        if "url" not in entry:
            continue
        hashes = [entry[kind] for kind in ("sha256", "git_blob") if kind in entry]
        a_language = "{lang}" in entry["url"]
        for lang in [lang for lang, source in used if source == name] if a_language else [None]:
            if not any(isinstance(known, str) or lang in known for known in hashes):
                raise InputError(
                    f"config: sources.{name}.url: has no hash{f' for {lang!r}' if a_language else ''}; fetch the file"
                    " once, look at it, and write what `sha256sum` says as sha256, or give it as a path"
                )


def _check_published(config: Mapping, source: str, langs: Iterable[str]) -> None:
    """An entry of `sources` must be there, one file a language, with a hash for each if it has hashes."""
    sources = config["sources"]
    if source not in sources:
        raise InputError(
            f"config: translation.source: {source!r} is not firefox, packed or an entry of `sources`"
            f"{_suggestion(source, ['firefox', 'packed', *sources])}; for files of your own write their path with"
            " {lang}, as in my-data/{lang}.jsonl"
        )
    entry = sources[source]
    if not any("{lang}" in entry.get(key, "") for key in ("url", "path")):
        raise InputError(
            f"config: translation.source: sources.{source} is not one file a language; write {{lang}} in its url or"
            " path, or name another source"
        )
    for kind in ("sha256", "git_blob"):
        hashes = entry.get(kind)
        for lang in langs:
            if isinstance(hashes, Mapping) and lang not in hashes:
                raise InputError(
                    f"config: sources.{source}.{kind}: has none for {lang!r} of languages.train; add it if there is"
                    " such a file, or take other translations (translation.source)"
                )


def _check_models(config: Mapping, langs: Iterable[str]) -> None:
    """The registry must have a model of the wanted size for each of the languages."""
    registered: dict[str, list[str]] = {}
    for model in registry.read_registry(REGISTRY)["models"]:
        registered.setdefault(model["language"], []).append(model["architecture"])
    for lang in langs:
        if lang not in registered:
            raise InputError(
                f"config: translation.source: there is no Firefox model for {lang!r}, only for"
                f" {', '.join(sorted(registered))}; bring translations of your own, as in"
                f" {{ default: firefox, {lang}: my-data/{lang}.jsonl }}, or leave it out of languages.train"
            )
        size = config["translation"]["architecture"][lang]
        if size not in registered[lang]:
            choices = sorted(registered[lang])
            raise InputError(
                f"config: translation.architecture: there is no {size} model for {lang}, only {', '.join(choices)};"
                f" write {{ default: {size}, {lang}: {choices[-1]} }}"
            )


def _released_runs(study: Mapping) -> list[Run]:
    """Every run of the figures whose model is released, each once."""
    matrix = Matrix(study)
    runs = [run for figure in study["figures"] for run in matrix.runs_of(figure)]
    return [run for run in dict.fromkeys(runs) if study["train"]["source"][run.method] == "released"]


def _check_released(config: Mapping) -> None:
    """Every released model must have a folder of its own, or a repository with a pin."""
    faults, runs, registry = [], _released_runs(config), read_registry(RELEASED)
    for method in dict.fromkeys(method for method, _, _ in runs):
        place = "path" if config["released"][method]["path"] else "repo"
        for part in ("{model}", "{recipe}"):
            if part not in config["released"][method][place]:
                raise InputError(f"config: released.{method}.{place}: is one for all; write {part} in it")
    for run in runs:
        if not folder_of(config, *run):
            try:
                pin_of(repository_of(config, *run), registry)
            except InputError as fault:
                faults.append(str(fault))
    if faults:
        more = f" ({len(faults) - 1} more of {len(runs)} models cannot be fetched either)" if len(faults) > 1 else ""
        raise InputError(f"config: train.source: {faults[0]}{more}")


def _check_responding(config: Mapping) -> None:
    """Raise InputError for a search that an engine in place of Transformers does not know."""
    for method in config["methods"]:
        settings = config["respond"][method]
        _check_command(f"respond.{method}.serve", settings.get("serve", ""))
        for key, greedy in (("beams", 1), ("no_repeat_ngram", 0)):
            if "serve" in settings and settings[key] != greedy:
                raise InputError(
                    f"config: respond.{method}.{key}: {settings[key]} is not for a model that is served;"
                    f" write {greedy}, or leave out respond.{method}.serve"
                )


def _check_files(config: Mapping) -> None:
    """Files and folders of this machine that the selected parts of the config name: there, and readable."""
    for key, path in _named_files(config):
        if path.startswith("-") or UNUSABLE.search(path):
            raise InputError(
                f"config: {key}: the path {path!r} begins with a hyphen, or holds a line end or one of < > {{ }}, which"
                " Snakemake reads as its own; rename it, or give a link to it"
            )
        try:
            found = (REPOSITORY / path).exists()
        except OSError as error:
            raise InputError(f"config: {key}: {path}: {system_fault(error)}") from None
        if not found:
            raise InputError(f"config: {key}: {path} does not exist; mend the path or put the file there")
    read_claims(config["claims"])
    seed = place_of(config["data"]["seed"], config["sources"])
    if seed:
        normalise(read_rows(Path(seed)), Path(seed))
    for lang, name in config["data"]["prompts"].items():
        if place := place_of(name, config["sources"], lang):
            path = Path(place)
            check_prompts(read_jsonl(path, fields=FIELDS), path, config["data"]["prompts_expected"])


def _named_files(config: Mapping) -> Iterator[tuple[str, str]]:
    """Yield (key, path) for every local file or folder that the run will read."""
    data, sources = config["data"], config["sources"]
    named = [("data.seed", data["seed"], None), ("data.identifier", data["identifier"], None)]
    named += [(f"data.prompts.{lang}", name, lang) for lang, name in data["prompts"].items()]
    for lang, name in config["translation"]["source"].items():
        if name == "packed":
            yield "translation.packed", config["translation"]["packed"].replace("{lang}", lang)
        elif name != "firefox":
            named.append((f"translation.source.{lang}", name, lang))
    for key, name, lang in named:
        if place := place_of(name, sources, lang):
            yield key if "/" in name else f"sources.{name}.path", place
    for method, model, recipe in _released_runs(config):
        if folder := folder_of(config, method, model, recipe):
            yield f"released.{method}.path", f"{folder}/{CONFIGS[method]}"
    yield "claims", config["claims"]
    for method in METHODS:
        yield "tokenize.template", training_template(config, method)
        yield f"respond.{method}.template", answering_template(config, method)
    if "corpus" in config:
        yield "corpus.grammar", config["corpus"]["grammar"]
    for position, judge in enumerate(config["judges"]):
        for path in judge.get("files", []):
            yield f"judges[{position}].files", path
    for model in {model for models in config["select"].values() for model in models}:
        entry = config["models"][model]
        if "path" in entry:
            yield f"models.{model}.path", f"{entry['path']}/config.json"
        tokenizer = config["families"][entry["family"]]["tokenizer"]
        if "path" in tokenizer:
            yield f"families.{entry['family']}.tokenizer.path", f"{tokenizer['path']}/tokenizer.json"

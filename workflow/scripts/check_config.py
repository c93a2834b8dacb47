"""Check a configuration before anything runs; print what is wrong as one line that names the key and the remedy.

The files of this machine that it names are read as well, so that a broken one stops the run before its first job.
The Snakefile calls `check_or_exit` on the merged configuration. By hand, later files are laid over earlier ones as
`snakemake --configfile` does:

    python workflow/scripts/check_config.py config/config.yaml config/demo.yaml
"""

import argparse
import difflib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml
from claim_rules import read_claims
from files import InputError, command_line, read_json, read_jsonl
from flags import FLAGS
from flops import PEAKS, peak_flops
from humanfriendly import parse_size
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from prompts import check_prompts
from released import CONFIGS, folder_of, pin_of, read_registry, repository_of, source_of
from scoretable import METHODS
from seed import normalise, read_rows
from template import answering_template, training_template

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
LANGUAGES = REPOSITORY / "resources" / "languages.yaml"
REGISTRY = REPOSITORY / "resources" / "translation-models.json"


def check(config: Mapping) -> None:
    """Raise InputError, one line, at the first fault of the merged configuration."""
    _refuse_booleans(config)
    validator = Draft202012Validator(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    fault = best_match(validator.iter_errors(config))
    if fault:
        raise InputError(_describe(fault, validator.schema))
    for key, used, known, remedy in _references(config):
        if used not in known:
            raise InputError(f"config: {key}: {used!r} is not {remedy}{_suggestion(used, known)}")
    _check_consistency(config)
    _check_translation(config)
    _check_released(config)
    _check_responding(config)
    _check_files(config)


def check_or_exit(config: Mapping) -> None:
    """Check, and end the program with the one line alone: Snakemake wraps any other exception in a traceback."""
    try:
        check(config)
    except InputError as error:
        sys.exit(f"error: {error}")


def key_path(keys: Iterable[object]) -> str:
    """Write a path of keys and list positions as a reader would: figures.figure2.runs.lora[0]."""
    path = ""
    for key in keys:
        path += f"[{key}]" if isinstance(key, int) and not isinstance(key, bool) else f".{key}"
    return path.lstrip(".") or "the file"


def _refuse_booleans(value: object, keys: tuple = ()) -> None:
    """No setting is a boolean (but a model's `architecture`, which is Transformers' own): one that appears is YAML's
    reading of an unquoted no, yes, on or off."""
    if keys[-1:] == ("architecture",):
        return
    if isinstance(value, bool):
        written = "no" if value is False else "yes"
        raise InputError(
            f'config: {key_path(keys)}: YAML reads an unquoted {written} as {str(value).lower()}; write "{written}"'
            " in quotes"
        )
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(key, bool):
                _refuse_booleans(key, (*keys, "a key"))
            _refuse_booleans(item, (*keys, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _refuse_booleans(item, (*keys, position))


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
    codes = yaml.safe_load(LANGUAGES.read_text(encoding="utf-8"))
    in_table = "in resources/languages.yaml: add it there with its name and labels"
    languages = config["languages"]
    for part, listed in languages.items():
        for position, code in enumerate(listed):
            yield f"languages.{part}[{position}]", code, codes, in_table
    trained = "one of languages.train: add it there, or leave it out here"
    for position, code in enumerate(languages["seen"]):
        yield f"languages.seen[{position}]", code, languages["train"], trained
    for recipe, mix in config["recipes"].items():
        for position, code in enumerate(mix["languages"]):
            yield f"recipes.{recipe}.languages[{position}]", code, languages["train"], trained
    flag = f"a flag of translated rows; there are {', '.join(FLAGS)}"
    filters = {f"recipes.{recipe}.drop_flags": mix.get("drop_flags", []) for recipe, mix in config["recipes"].items()}
    for key, names in {"recipe.drop_flags": config["recipe"]["drop_flags"], **filters}.items():
        for position, name in enumerate(names):
            yield f"{key}[{position}]", name, FLAGS, flag
    for name, models in config["select"].items():
        for position, model in enumerate(models):
            yield f"select.{name}[{position}]", model, config["models"], "an entry of `models`: add it there"
    for figure, content in config["figures"].items():
        for method, selections in content["runs"].items():
            for position, selection in enumerate(selections):
                key = f"figures.{figure}.runs.{method}[{position}]"
                yield key, selection, config["select"], "an entry of `select`: add it there"
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
        known = [*config["recipes"], *built_in]
        yield "released.recipes", recipe, known, "an entry of `recipes` or a built-in one: add it there"
    for use in ("seed", "prompts", "identifier"):
        yield f"data.{use}", config["data"][use], config["sources"], "an entry of `sources`: add it there"


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
    for method in METHODS:
        if config["train"][method]["validation"] == "none" and config["recipe"]["hold_out"] == "ids":
            raise InputError(
                f"config: train.{method}.validation: none trains on the held-out rows too, and recipe.hold_out: ids"
                " holds out those of every language, beyond the budget of one-language: set recipe.hold_out to rows"
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


def _check_judge(key: str, judge: Mapping) -> None:
    """What goes with a price, and what with a server."""
    if "budget" in judge and "price" not in judge:
        raise InputError(f"config: {key}.budget: needs {key}.price, US dollars a million tokens, to be reckoned with")
    for name in ("gpus", "memory", "runtime"):
        if name in judge and "serve" not in judge:
            raise InputError(f"config: {key}.{name}: is for a judge that its job serves; leave it out")
        if name in judge and "gpus" not in judge:
            raise InputError(f"config: {key}.{name}: is for a job with gpus; say how many, or leave it out")
    if judge.get("api") == "batch" and "serve" in judge:
        raise InputError(f"config: {key}.api: batch is for an endpoint at base_url; a served judge is called")


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
    source, sources = config["translation"]["source"], config["sources"]
    if source == "firefox":
        _check_models(config)
    elif source == "packed":
        if not config["translation"]["packed"]:
            raise InputError(
                "config: translation.packed: missing; with source packed, name the archives, {lang} inside"
            )
        if "{lang}" not in config["translation"]["packed"]:
            raise InputError("config: translation.packed: is one file for all languages; write {lang} in its name")
    elif "{lang}" in source:
        pass  # files of the user's, checked with the others
    elif source not in sources:
        raise InputError(
            f"config: translation.source: {source!r} is not firefox, packed or an entry of `sources`"
            f"{_suggestion(source, ['firefox', 'packed', *sources])}; for files of your own write their path with"
            " {lang}, as in my-data/{lang}.jsonl"
        )
    else:
        entry = sources[source]
        place = next((key for key in ("url", "path") if "{lang}" in entry.get(key, "")), None)
        if not place:
            raise InputError(
                f"config: translation.source: sources.{source} is not one file a language; write {{lang}} in its url or"
                " path, or name another source"
            )
        for kind in ("sha256", "git_blob"):
            hashes = entry.get(kind)
            for lang in config["languages"]["train"][1:]:
                if isinstance(hashes, Mapping) and lang not in hashes:
                    raise InputError(
                        f"config: sources.{source}.{kind}: has none for {lang!r} of languages.train; add it if there is"
                        " such a file, or take other translations (translation.source)"
                    )


def _check_models(config: Mapping) -> None:
    """The registry must have a model of the wanted size for every language that is translated into."""
    wanted, translated = config["translation"]["architecture"], config["languages"]["train"][1:]
    sizes = wanted if isinstance(wanted, Mapping) else {"default": wanted}
    for lang in sizes:
        if lang not in ("default", *translated):
            raise InputError(
                f"config: translation.architecture.{lang}: {lang!r} is not a language of languages.train that is"
                f" translated into{_suggestion(lang, ['default', *translated])}"
            )
    registered: dict[str, list[str]] = {}
    for model in read_json(REGISTRY)["models"]:
        registered.setdefault(model["language"], []).append(model["architecture"])
    for lang in translated:
        if lang not in registered:
            raise InputError(
                f"config: translation.source: there is no Firefox model for {lang!r}, only for"
                f" {', '.join(sorted(registered))}; bring translations of your own, as in my-data/{{lang}}.jsonl, or"
                " leave it out of languages.train"
            )
        size = sizes.get(lang, sizes["default"])
        if size not in registered[lang]:
            choices = sorted(registered[lang])
            raise InputError(
                f"config: translation.architecture: there is no {size} model for {lang}, only {', '.join(choices)};"
                f" write {{ default: {sizes['default']}, {lang}: {choices[-1]} }}"
            )


def _released_runs(config: Mapping) -> list[tuple[str, str, str]]:
    """Method, model and recipe of every run of the figures whose model is released, each once."""
    mono = [f"mono-{lang}" for lang in config["languages"]["seen"]]
    runs = [
        (method, model, recipe)
        for content in config["figures"].values()
        for method, selections in content["runs"].items()
        if source_of(config, method) == "released"
        for selection in selections
        for model in config["select"][selection]
        for recipe in [*(["mono-en"] if content["kind"] == "unseen" else mono), "multilingual", "downsampled"]
    ]
    return list(dict.fromkeys(runs))


def _check_released(config: Mapping) -> None:
    """Every released model must have a folder of its own, or a repository with a pin."""
    faults, runs, registry = [], _released_runs(config), read_registry()
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
    for method in METHODS:
        settings = config["respond"][method]
        for key, greedy in (("beams", 1), ("no_repeat_ngram", 0)):
            if "serve" in settings and settings[key] != greedy:
                raise InputError(
                    f"config: respond.{method}.{key}: {settings[key]} is not for a model that is served;"
                    f" write {greedy}, or leave out respond.{method}.serve"
                )


def _check_files(config: Mapping) -> None:
    """Files and folders of this machine that the selected parts of the config name: there, and readable."""
    for key, path in _named_files(config):
        if not (REPOSITORY / path).exists():
            raise InputError(f"config: {key}: {path} does not exist; mend the path or put the file there")
    read_claims(config["claims"])
    seed = config["sources"][config["data"]["seed"]]
    if "path" in seed:
        path = Path(seed["path"])
        normalise(read_rows(path), path)
    prompts = config["sources"][config["data"]["prompts"]]
    if "path" in prompts:
        for lang in (*config["languages"]["seen"], *config["languages"]["unseen"]):
            path = Path(prompts["path"].format(lang=lang))
            check_prompts(read_jsonl(path, fields=("id", "prompt")), path, config["data"]["prompts_expected"])


def _named_files(config: Mapping) -> Iterator[tuple[str, str]]:
    """Yield (key, path) for every local file or folder that the run will read."""
    languages = config["languages"]
    for use, codes in (("seed", [""]), ("prompts", languages["seen"] + languages["unseen"]), ("identifier", [""])):
        name = config["data"][use]
        if "path" in config["sources"][name]:
            for lang in codes:
                yield f"sources.{name}.path", config["sources"][name]["path"].format(lang=lang)
    translation = config["translation"]
    if translation["source"] == "packed":
        key, pattern = "translation.packed", translation["packed"]
    elif "{lang}" in translation["source"]:
        key, pattern = "translation.source", translation["source"]
    else:
        entry = config["sources"].get(translation["source"], {})  # none with firefox
        key, pattern = f"sources.{translation['source']}.path", entry.get("path")
    for lang in languages["train"][1:] if pattern else []:
        yield key, pattern.replace("{lang}", lang)
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


def merge(base: dict, changes: Mapping) -> dict:
    """Lay one configuration over another as Snakemake does: mappings merge, everything else is replaced."""
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value
    return base


def read_configs(paths: Iterable[Path]) -> dict:
    """The configuration of the files, the later over the earlier. Raises InputError for one that cannot be read."""
    config: dict = {}
    for path in paths:
        try:
            merge(config, yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except yaml.YAMLError as error:
            raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    return config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=Path, help="YAML files, the later ones over the earlier")
    arguments = parser.parse_args()
    check(read_configs(arguments.configs))
    print(f"{', '.join(map(str, arguments.configs))}: valid")


if __name__ == "__main__":
    command_line(main)

"""Where translations and downloads come from: every language needs a model, a hash, or a file of its own."""

from collections.abc import Iterable, Mapping

from basics.errors import InputError
from basics.paths import REPOSITORY
from study.schema import suggestion
from translating.registry import read_registry

REGISTRY = REPOSITORY / "resources" / "translation-models.json"


def check_translation(config: Mapping) -> None:
    """Raise InputError for a language without a translation model, or without a file of translations of its own."""
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


def check_hashes(config: Mapping) -> None:
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
            f"{suggestion(source, ['firefox', 'packed', *sources])}; for files of your own write their path with"
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
    for model in read_registry(REGISTRY)["models"]:
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

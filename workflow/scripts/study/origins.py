"""Where translations and downloads come from: every language needs a model or file, every download a hash."""

from collections.abc import Iterable, Mapping

from basics.errors import InputError
from basics.paths import REPOSITORY
from study.schema import suggestion
from translating.registry import read_registry

REGISTRY = REPOSITORY / "resources" / "translation-models.json"


def check_translation(config: Mapping) -> None:
    """Raise InputError for a language without a translation model or file of translations."""
    languages: dict[str, list[str]] = {}
    for lang, source in config["translation"]["source"].items():
        languages.setdefault(source, []).append(lang)
    packed = config["translation"]["packed"]
    for source, langs in languages.items():
        if source == "firefox":
            _check_models(config, langs)
        elif source == "packed" and not packed:
            raise InputError(
                "config: translation.packed: missing; with source packed, name the archives, with {lang} in the path"
            )
        elif source == "packed" and len(langs) > 1 and "{lang}" not in packed:
            raise InputError("config: translation.packed: is one file for all languages; put {lang} in its path")
        elif "/" in source and len(langs) > 1 and "{lang}" not in source:
            raise InputError(
                f"config: translation.source: {source} is one file for {langs[0]} and {langs[1]}; put {{lang}} in its"
                " path"
            )
        elif source != "packed" and "/" not in source:
            _check_published(config, source, langs)


def check_hashes(config: Mapping) -> None:
    """Every download must have a hash, so that it is the file that was inspected, one per language if need be."""
    used = [*config["data"]["prompts"].items(), *config["translation"]["source"].items()]
    for name, entry in config["sources"].items():
        if "url" not in entry:
            continue
        hashes = [entry[kind] for kind in ("sha256", "git_blob") if kind in entry]
        is_per_language = "{lang}" in entry["url"]
        for lang in [lang for lang, source in used if source == name] if is_per_language else [None]:
            if not any(isinstance(known, str) or lang in known for known in hashes):
                raise InputError(
                    f"config: sources.{name}.url: has no hash{f' for {lang!r}' if is_per_language else ''}; download"
                    " the file, inspect it, and set sha256 to what `sha256sum` prints, or give its path"
                )


def _check_published(config: Mapping, source: str, langs: Iterable[str]) -> None:
    """The entry of `sources` must exist, with one file per language, and a hash for each if it has hashes."""
    sources = config["sources"]
    if source not in sources:
        raise InputError(
            f"config: translation.source: {source!r} is not firefox, packed or an entry of `sources`"
            f"{suggestion(source, ['firefox', 'packed', *sources])}; for your own files give their path with"
            " {lang}, as in my-data/{lang}.jsonl"
        )
    entry = sources[source]
    if not any("{lang}" in entry.get(key, "") for key in ("url", "path")):
        raise InputError(
            f"config: translation.source: sources.{source} has no file per language; put {{lang}} in its url or"
            " path, or name another source"
        )
    for kind in ("sha256", "git_blob"):
        hashes = entry.get(kind)
        for lang in langs:
            if isinstance(hashes, Mapping) and lang not in hashes:
                raise InputError(
                    f"config: sources.{source}.{kind}: has none for {lang!r} of languages.train; add it if there is"
                    " such a file, or use other translations (translation.source)"
                )


def _check_models(config: Mapping, langs: Iterable[str]) -> None:
    """The registry must have a model of the right size for each of the languages."""
    registered: dict[str, list[str]] = {}
    for model in read_registry(REGISTRY)["models"]:
        registered.setdefault(model["language"], []).append(model["architecture"])
    for lang in langs:
        if lang not in registered:
            raise InputError(
                f"config: translation.source: there is no Firefox model for {lang!r}, only for"
                f" {', '.join(sorted(registered))}; use your own translations, as in"
                f" {{ default: firefox, {lang}: my-data/{lang}.jsonl }}, or remove it from languages.train"
            )
        size = config["translation"]["architecture"][lang]
        if size not in registered[lang]:
            choices = sorted(registered[lang])
            raise InputError(
                f"config: translation.architecture: there is no {size} model for {lang}, only {', '.join(choices)};"
                f" write {{ default: {size}, {lang}: {choices[-1]} }}"
            )

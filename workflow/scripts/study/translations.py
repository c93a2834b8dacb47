"""Where the translation of each training language comes from: a model of the engine, or a file."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from study.sources import Sources
from study.wildcards import Wildcards, one_of

ENGINES = ("firefox", "packed")  # values of translation.source that stand for a model of the translation engine


class Translations:
    """The target languages, by `translation.source`."""

    def __init__(self, config: Mapping, sources: Sources):
        self._settings = config["translation"]
        self._sources = sources

    def from_models(self, *kinds: str) -> str:
        """Constraint on the languages that are translated with one of these kinds of model."""
        return one_of(lang for lang, source in self._settings["source"].items() if source in kinds)

    def from_files(self) -> str:
        """Constraint on the languages whose translation is taken from a file."""
        return one_of(lang for lang, source in self._settings["source"].items() if source not in ENGINES)

    def kind(self, lang: str) -> str:
        """Where the translation of a language comes from: firefox, packed, an entry of `sources`, or a file."""
        return self._settings["source"][lang]

    def origins(self, languages: Iterable[str]) -> list[str]:
        """Where the rows of each language come from, in words. Of a file, only its name is told, no path."""
        words = {
            "firefox": "Bergamot with a model of Firefox Translations",
            "packed": "Bergamot with a model of one's own",
        }
        kinds = [self._settings["source"].get(lang) for lang in languages]
        return [
            "the seed data" if kind is None else words.get(kind) or f"given: {PurePosixPath(kind).name}"
            for kind in kinds
        ]

    def file(self, wildcards: Wildcards) -> str:
        """File that a translation is taken from: the user's own, or an entry of `sources`."""
        return self._sources.file(self._settings["source"][wildcards.lang], wildcards.lang)

    def architecture(self, wildcards: Wildcards) -> str:
        """Architecture of the Firefox model of a language."""
        return self._settings["architecture"][wildcards.lang]

    def packed_model(self, wildcards: Wildcards) -> str:
        """Archive of a language's packed model."""
        return self._settings["packed"].replace("{lang}", wildcards.lang)

    def checksums(self, wildcards: Wildcards) -> str:
        """File of the SHA-256 hashes of packed models, beside them."""
        return str(PurePosixPath(self.packed_model(wildcards)).with_name("checksums.json"))

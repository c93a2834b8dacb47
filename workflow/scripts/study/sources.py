"""Sources of data: the local files and downloads that a study starts from."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import PurePosixPath
from typing import NamedTuple

from study.short_forms import place_of
from study.wildcards import Wildcards

DOWNLOADS = "<results>/downloads/"


class Download(NamedTuple):
    """A published file: its URL and its known hashes."""

    url: str
    sha256: str | None
    git_blob: str | None


class Sources:
    """The entries of `sources`, and which of them `data` and `translation` use."""

    def __init__(self, config: Mapping):
        self._entries = config["sources"]
        self._data = config["data"]
        self._translated = config["translation"]["source"]
        self._random_seed = config["random_seed"]
        self._reference = config["languages"]["seen"][0]

    def file(self, name: str, lang: str | None = None) -> str:
        """File of a source, local or downloaded; that of `lang`, if it has one for each language."""
        return place_of(name, self._entries, lang) or f"{DOWNLOADS}{self._download_path(name, lang)}"

    @property
    def seed(self) -> str:
        """File of the English instruction data."""
        return self.file(self._data["seed"])

    @property
    def sampled_from(self) -> list[str]:
        """File of the data that the seed is a sample of; nothing if the seed is all of it."""
        return [] if self._data["rows"] == "all" else [self.seed]

    @property
    def sample_options(self) -> list[str]:
        """Options of seed.py for the sample; nothing if the seed is all of the data."""
        if self._data["rows"] == "all":
            return []
        return ["--rows", str(self._data["rows"]), "--random-seed", str(self._random_seed)]

    @property
    def reference_prompts(self) -> str:
        """File of the English prompts, with whose ids those of other languages are compared."""
        return self.file(self._data["prompts"][self._reference], self._reference)

    def prompts(self, wildcards: Wildcards) -> str:
        """File of a language's test prompts."""
        return self.prompts_in(wildcards.lang)

    def prompts_in(self, lang: str) -> str:
        """File of a language's test prompts."""
        return self.file(self._data["prompts"][lang], lang)

    # ---- downloads

    def languages_in(self, name: str) -> list[str]:
        """Languages whose files of a source are used: as prompts, as translations, or both."""
        used = [*self._data["prompts"].items(), *self._translated.items()]
        return list(dict.fromkeys(lang for lang, source in used if source == name))

    @cached_property
    def downloads(self) -> dict[str, Download]:
        """Every file that has a URL in `sources`, by its path below downloads/."""
        found = {}
        for name, entry in self._entries.items():
            if "url" in entry:
                for lang in self.languages_in(name) if "{lang}" in entry["url"] else [None]:
                    hashes = [_of_language(entry.get(kind), lang) for kind in ("sha256", "git_blob")]
                    found[self._download_path(name, lang)] = Download(self._url(name, lang), *hashes)
        return found

    def url(self, wildcards: Wildcards) -> str:
        """URL of a download."""
        return self.downloads[wildcards.file].url

    def hash_options(self, wildcards: Wildcards) -> list[str]:
        """Options of download.py for the known hashes of a file."""
        download = self.downloads[wildcards.file]
        options = {"--sha256": download.sha256, "--git-blob": download.git_blob}
        return [word for option, value in options.items() if value for word in (option, value)]

    def _url(self, name: str, lang: str | None) -> str:
        return self._entries[name]["url"].replace("{lang}", lang or "")

    def _download_path(self, name: str, lang: str | None) -> str:
        """Path of the unpacked file below downloads/."""
        return f"{name}/{PurePosixPath(self._url(name, lang)).name.removesuffix('.gz')}"


def _of_language(known: str | Mapping | None, lang: str | None) -> str | None:
    """A hash that is given once or by language."""
    return known.get(lang) if isinstance(known, Mapping) else known

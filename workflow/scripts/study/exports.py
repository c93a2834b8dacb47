"""What exports say of a study: what it read, where that is published, and under which licence they may be uploaded."""

from collections.abc import Sequence

from study.artifacts import Artifacts
from study.matrix import Matrix
from study.recipes import file_options
from study.sources import DOWNLOADS, Sources
from study.translations import ENGINES, Translations

OF_THE_DATA = "CC-BY-NC-4.0"  # of the cleaned Alpaca data and the authors' translations and prompts


class Exports:
    """The files that exports are made of, and options of the programs that make them."""

    def __init__(self, matrix: Matrix, sources: Sources, translations: Translations, artifacts: Artifacts):
        self._matrix, self._sources, self._translations = matrix, sources, translations
        self.parts = ["<results>/exports/alpaca_eval", "<results>/exports/translations"]
        self.targets = [*self.parts, "<results>/exports/ro-crate-metadata.json", "<results>/exports/zenodo.json"]
        self.results = [
            *artifacts.figures,
            *artifacts.curves,
            *artifacts.tables,
            *artifacts.judges,
            *artifacts.claims,
            "<results>/summary.md",
            "<results>/scores.parquet",
        ]
        self._data = {"instruction data": sources.seed}
        self._data |= {f"prompts in {lang}": sources.prompts_in(lang) for lang in matrix.tested}
        self._data |= {f"translation into {lang}": self._translation(lang) for lang in matrix.trained[1:]}

    @property
    def data(self) -> list[str]:
        """What the study read: data, and the models or files that its translations come from."""
        return list(self._data.values())

    def data_options(self, files: Sequence[str]) -> list[str]:
        """Options that name these: the instruction data, the prompts of each language, and so on."""
        return file_options("--data", list(self._data), files)

    @property
    def url_options(self) -> list[str]:
        """Options for where data was downloaded from."""
        known = {name: self._sources.downloads.get(path.removeprefix(DOWNLOADS)) for name, path in self._data.items()}
        urls = {name: download.url for name, download in known.items() if download}
        return file_options("--url", list(urls), list(urls.values()))

    @property
    def licence_options(self) -> list[str]:
        """Option for the licence of an upload: that of the published data, unless all data is the study's own. The
        code's is then the default."""
        return ["--licence", OF_THE_DATA] if self.url_options else []

    def origins(self, files: Sequence[str]) -> list[str]:
        """Options for the rows of each language, and where they come from."""
        languages = self._matrix.trained
        origins = self._translations.origins(languages)
        return file_options("--rows", languages, files) + file_options("--origin", languages, origins)

    def _translation(self, lang: str) -> str:
        kind = self._translations.kind(lang)
        return f"<results>/translation_models/{lang}" if kind in ENGINES else self._sources.file(kind, lang)

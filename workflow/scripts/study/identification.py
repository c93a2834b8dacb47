"""The language identifier of a study, and the labels that count as each language."""

from collections.abc import Mapping

from study.answers import Answers
from study.bases import Bases
from study.sources import Sources
from study.wildcards import Wildcards


class Identification:
    """The identifier that `data.identifier` names, and the labels of resources/languages.yaml.

    The parameters of a job include only the labels of its own languages: it runs again when these change, but not when
    a language is added to the table.
    """

    def __init__(self, config: Mapping, table: Mapping[str, Mapping], sources: Sources, bases: Bases, answers: Answers):
        self._name = config["data"]["identifier"]
        self._is_trained = "trained_on" in config["sources"][self._name]
        self._table = table
        self._sources, self._bases, self._answers = sources, bases, answers

    @property
    def model(self) -> str:
        """File of the fastText model: trained here, downloaded, or the user's own."""
        return "<results>/identifier.bin" if self._is_trained else self._sources.file(self._name)

    @property
    def corpus_labels(self) -> dict[str, list[str]]:
        """Labels of the languages that the identifier is trained on."""
        return self._labels(self._bases.corpus)

    def translation_labels(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """Labels of the language of a translation."""
        return self._labels([wildcards.lang])

    def answer_labels(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """Labels of the languages that a run answers."""
        return self._labels(self._answers.languages(wildcards))

    def _labels(self, languages) -> dict[str, list[str]]:
        return {lang: self._table[lang]["labels"] for lang in languages}

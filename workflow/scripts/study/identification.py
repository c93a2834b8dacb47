"""The language identifier of a study, and the labels that count as each language."""

from collections.abc import Iterable, Mapping

from basics.errors import InputError
from basics.paths import REPOSITORY
from data.languages import LabelTable, labels_for, read_label_table
from study.answers import Answers
from study.bases import Bases
from study.sources import Sources
from study.wildcards import Wildcards

LANGUAGES = "resources/languages.yaml"  # has the labels of OpenLID v1
OPENLID = "openlid"
IDENTIFIERS = sorted(path.stem for path in (REPOSITORY / "resources" / "identifiers").glob("*.yaml"))


def table_of(config: Mapping) -> str:
    """File of the labels of the study's identifier: the language table for OpenLID v1 (and for an identifier trained
    here), a table of resources/identifiers, or the user's own."""
    name = config["sources"][config["data"]["identifier"]].get("labels", OPENLID)
    if "/" in name:
        return name
    return LANGUAGES if name == OPENLID else f"resources/identifiers/{name}.yaml"


def normalisation(config: Mapping) -> str:
    """What is done to a text before identification; `auto` is what the table of the labels says."""
    chosen, path = config["langid"]["normalise"], table_of(config)
    if chosen != "auto":
        return chosen
    return "none" if path == LANGUAGES else read_label_table(path).normalise


def check_identification(config: Mapping) -> None:
    """Raise InputError for a table of labels that cannot be used, or that lacks a language of the study."""
    name, languages, path = config["data"]["identifier"], config["languages"], table_of(config)
    if {"trained_on", "labels"} <= config["sources"][name].keys():
        raise InputError(
            f"config: sources.{name}.labels: an identifier trained on the corpus has OpenLID's labels; remove the key"
        )
    if path == LANGUAGES:  # of which every language of the study is one
        return
    known = read_label_table(path)
    try:
        labels_for([*languages["train"][1:], *languages["seen"], *languages["unseen"]], known, path)
    except InputError as fault:
        raise InputError(f"config: sources.{name}.labels: {fault}") from None


class Identification:
    """The identifier that `data.identifier` names, its labels, and how a text is normalised for it. `languages` is the
    language table.

    The parameters of a job include only the labels of its own languages: it runs again when these change, but not when
    a language is added to a table.
    """

    def __init__(
        self,
        config: Mapping,
        languages: Mapping[str, Mapping],
        sources: Sources,
        bases: Bases,
        answers: Answers,
    ):
        self._name, self._words = config["data"]["identifier"], config["data"]["english_words"]
        self._is_trained = "trained_on" in config["sources"][self._name]
        self._sources, self._bases, self._answers = sources, bases, answers
        self._table = table_of(config)
        self._is_openlid = self._table == LANGUAGES
        openlid = LabelTable({code: entry["labels"] for code, entry in languages.items()}, "none")
        self._known = openlid if self._is_openlid else read_label_table(self._table)
        self.normalise = normalisation(config)

    @property
    def model(self) -> str:
        """File of the fastText model: trained here, downloaded, or the user's own."""
        return "<results>/identifier.bin" if self._is_trained else self._sources.file(self._name)

    @property
    def english_words(self) -> list[str]:
        """File of the list of English words; nothing if there is none."""
        return [] if self._words is None else [self._sources.file(self._words)]

    @property
    def label_options(self) -> list[str]:
        """Options of langid.py and flag_translation.py for labels other than those in the language table."""
        return [] if self._is_openlid else ["--labels", self._table]

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

    def _labels(self, languages: Iterable[str]) -> dict[str, list[str]]:
        return labels_for(languages, self._known, self._table)

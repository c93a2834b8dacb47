"""Planted controls: the files of the set that `controls` names, and their ratings by each judge."""

from collections.abc import Mapping

from basics.errors import InputError
from basics.paths import REPOSITORY
from judging.controls import read_set
from study.matrix import Matrix
from study.short_forms import asked
from study.wildcards import Wildcards


class Controls:
    """The set of controls, in the test languages that it has a file for."""

    def __init__(self, config: Mapping, matrix: Matrix):
        self._judges = [judge["name"] for judge in asked(config)]
        pattern = config["controls"]
        paths = {lang: pattern.replace("{lang}", lang) for lang in matrix.tested} if pattern else {}
        self.files: dict[str, str] = {lang: path for lang, path in paths.items() if (REPOSITORY / path).is_file()}

    @property
    def options(self) -> list[str]:
        """The files of the set, as CODE=FILE."""
        return [f"{lang}={path}" for lang, path in self.files.items()]

    @property
    def ratings(self) -> list[str]:
        """The file of each judge's ratings of the controls, people excepted; none without controls."""
        return [f"<results>/controls/{judge}.jsonl" for judge in self._judges] if self.files else []

    def rating_options(self, wildcards: Wildcards, input) -> list[str]:
        """The files of ratings, `controls` of a rule's inputs, as JUDGE=FILE; none without controls."""
        return [f"{judge}={path}" for judge, path in zip(self._judges, input.controls, strict=False)]


def check_controls(study: Mapping) -> None:
    """Raise InputError if the set has no file in any test language, or one that controls.py would refuse."""
    matrix = Matrix(study)
    files = Controls(study, matrix).files
    if study["controls"] and not files:
        raise InputError(
            f"config: controls: {study['controls']} names no file in any of {', '.join(matrix.tested)}; correct the"
            " path, put a file there, or switch controls off with null"
        )
    read_set({lang: REPOSITORY / path for lang, path in files.items()})

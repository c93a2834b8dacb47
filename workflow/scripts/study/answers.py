"""Answering: which languages a run answers, from which weights, with which template and decoding settings."""

import json
import sys
from collections.abc import Mapping

from study.judges import Judges
from study.matrix import Matrix, Run
from study.short_forms import answering_template
from study.wildcards import Wildcards


class Answers:
    """The entries of `respond`, by method, and the languages that the matrix asks of each run."""

    def __init__(self, config: Mapping, matrix: Matrix, judges: Judges):
        self._config = config
        self._matrix, self._judges = matrix, judges

    def languages(self, wildcards: Wildcards) -> list[str]:
        """Languages that a run answers. Exits with one line for a run that no figure shows: Snakemake wraps
        exceptions in a traceback."""
        run = Run(wildcards.method, wildcards.model, wildcards.recipe)
        if run not in self._matrix.runs:
            sys.exit(
                f"error: {run.path} is not in any figure that is drawn, so nothing says which languages it should"
                " answer; add its model or recipe to one (figures.<name>.runs, series; draw)"
            )
        return self._matrix.runs[run]

    def prompts(self, wildcards: Wildcards) -> list[str]:
        """Files of the prompts that a run answers."""
        return [f"<results>/prompts/{lang}.jsonl" for lang in self.languages(wildcards)]

    def prompt_options(self, wildcards: Wildcards, input) -> list[str]:
        """Those files, as LANG=FILE."""
        return [f"{lang}={path}" for lang, path in zip(self.languages(wildcards), input.prompts, strict=True)]

    def is_merged(self, wildcards: Wildcards) -> bool:
        """Whether an adapter is merged into its base model: an engine that serves it takes only whole models."""
        return self._base_method(wildcards) == "lora" and bool(self._settings(wildcards).get("serve"))

    def method(self, wildcards: Wildcards) -> str:
        """How the weights are loaded: lora for an adapter and its base model, full for a whole model."""
        return "full" if self.is_merged(wildcards) else self._base_method(wildcards)

    def weights(self, wildcards: Wildcards) -> str:
        """Folder of the tuned model, or of the merged one."""
        kind = "merged" if self.is_merged(wildcards) else "models"
        return f"<results>/{kind}/{wildcards.method}/{wildcards.model}/{wildcards.recipe}"

    def template(self, wildcards: Wildcards) -> str:
        """File of the template around each prompt."""
        return answering_template(self._config, wildcards.method)

    def settings(self, wildcards: Wildcards) -> str:
        """The decoding settings of a method, as JSON."""
        return json.dumps(self.settings_of(wildcards.method))

    def settings_of(self, method: str) -> dict[str, object]:
        """The settings of a method for respond.py, without its template, which is an input file."""
        settings = {key: value for key, value in self._config["respond"][method].items() if key != "template"}
        return settings | self._judges.secrets(settings)

    def precision(self, wildcards: Wildcards) -> str:
        """Precision of the weights, as in bf16."""
        return self._settings(wildcards)["precision"]

    def _settings(self, wildcards: Wildcards) -> Mapping:
        return self._config["respond"][wildcards.method]

    def _base_method(self, wildcards: Wildcards) -> str:
        return self._config["methods"][wildcards.method]["of"]

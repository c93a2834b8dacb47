"""The checks of a configuration, in order; a fault is reported in one line with its key and the remedy."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from basics.errors import InputError, exit_in_one_line
from study.configuration import origin_of, read_configs
from study.contradictions import (
    check_compute,
    check_data,
    check_figures,
    check_languages,
    check_methods,
    check_models,
    check_plan,
    check_recipes,
    check_seeds,
    check_templates,
)
from study.controls import check_controls
from study.identification import check_identification
from study.local_files import check_files
from study.matrix import Matrix, Run
from study.origins import check_hashes, check_translation
from study.programs import check_answering, check_judges, check_trainings
from study.references import check_references
from study.released import check_released
from study.schema import check_schema, refuse_unusable
from study.short_forms import expanded
from training.trackers import check_trackers

CONFIG = "config: "  # before the key, in a fault


def check_configuration(config: Mapping) -> None:
    """Raise InputError, one line, at the first fault in the merged configuration."""
    refuse_unusable(config)
    check_schema(config)
    check_references(config)
    study = expanded(config)
    check_languages(study)
    check_data(study)
    check_recipes(study)
    check_figures(study)
    check_seeds(study)
    check_methods(study)
    check_models(study)
    check_compute(study)
    check_trackers(study["trackers"])
    check_templates(study)
    check_plan(study)
    check_trainings(study)
    check_answering(study)
    check_judges(study)
    check_translation(study)
    check_hashes(study)
    released = _released_runs(study)
    check_released(study, released)
    check_files(study, released)
    check_controls(study)
    check_identification(study)


def check_files_of(config: Mapping, files: Sequence[Path | str]) -> None:
    """Check a configuration that was merged from `files`; a fault also says in which of them its key is set."""
    try:
        check_configuration(config)
    except InputError as error:
        raise InputError(f"{error}{origin_of(str(error).removeprefix(CONFIG), config, files)}") from None


@exit_in_one_line()
def check_or_exit(config: Mapping, files: Sequence[Path | str]) -> None:
    """Check, and exit with just the one line on a fault.

    `files` are those that Snakemake read the configuration from, without a word about a key that is repeated: last is
    the one that the rules name, which all others override.
    """
    read_configs(files)
    check_files_of(config, [*files[-1:], *files[:-1]])


def _released_runs(study: Mapping) -> list[Run]:
    """Every run of the figures whose model is released, each once."""
    matrix = Matrix(study)
    runs = [run for figure in study["figures"] for run in matrix.runs_of(figure)]
    return [run for run in dict.fromkeys(runs) if study["train"]["source"][run.method] == "released"]

"""Whether the programs that have settings would accept those in the configuration.

These programs are train.py, respond.py and judge.py. A check builds the program's own dataclass from the configuration,
so that every rule is written only once, there; a fault then names the key of the configuration, not the setting.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from answering.settings import Settings as AnsweringSettings
from basics.errors import InputError, SettingError
from basics.settings import make_settings
from judging.settings import JudgeSettings
from study.answers import Answers
from study.bases import Bases
from study.compute import Compute
from study.judges import OF_PEOPLE, RESOURCES, Judges
from study.matrix import Matrix
from study.recipes import Recipes
from study.short_forms import section_of
from study.trainings import MEMORY_SAVERS, Trainings
from training.settings import Settings as TrainingSettings
from training.settings import check_method


@contextmanager
def _settings_at(section: str, elsewhere: Mapping[str, str] | None = None) -> Generator[None]:
    """Make a fault in a program's settings that is raised in the block name the key of the configuration: the one that
    `elsewhere` gives for the setting, or else the name of the setting in `section`."""
    try:
        yield
    except SettingError as error:
        key = (elsewhere or {}).get(error.key, f"{section}.{error.key}")
        raise InputError(f"config: {key}: {error.fault}") from None
    except InputError as error:
        raise InputError(f"config: {section}: {error}") from None


def check_trainings(study: Mapping) -> None:
    """Raise InputError for settings that train.py would refuse, with any row of `compute`."""
    trainings = Trainings(study, Bases(study), Compute(study), Recipes(study))
    for method, entry in study["methods"].items():
        section = section_of(study, method, "train")
        for position, row in enumerate(study["compute"][method]):
            elsewhere = {key: f"compute.{entry['of']}[{position}].{key}" for key in MEMORY_SAVERS}
            elsewhere |= {"lora": section, "seed": "random_seed"}
            with _settings_at(section, elsewhere):
                check_method(entry["of"], make_settings(TrainingSettings, trainings.settings_of(method, row)))


def check_answering(study: Mapping) -> None:
    """Raise InputError for settings that respond.py would refuse."""
    answers = Answers(study, Matrix(study), Judges(study, Compute(study)))
    for method in study["methods"]:
        with _settings_at(section_of(study, method, "respond")):
            make_settings(AnsweringSettings, answers.settings_of(method))


def check_judges(study: Mapping) -> None:
    """Raise InputError for settings that judge.py would refuse, two judges with the same name, resources that no job
    would use, and people without a judge beside them."""
    judges = Judges(study, Compute(study))
    if len({judge["name"] for judge in study["judges"]}) < len(study["judges"]):
        raise InputError("config: judges: two have the same name, so their ratings would share a folder; rename one")
    if not judges.entries:
        raise InputError(
            "config: judges: people rate a sample, and figures need ratings of all responses; add a judge that is asked"
        )
    for position, judge in enumerate(study["judges"]):
        section = f"judges[{position}]"
        if "human" in judge:
            _check_person(section, judge, Path("results", study["experiment"]))
            continue
        with _settings_at(section):
            make_settings(JudgeSettings, judges.settings_of(judge["name"]))
        for key in RESOURCES:
            if key in judge and "serve" not in judge:
                raise InputError(f"config: {section}.{key}: applies only to a judge with serve; remove it")
            if key in judge and "gpus" not in judge:
                raise InputError(f"config: {section}.{key}: applies only to a judge with gpus; add gpus or remove it")


def _check_person(section: str, judge: Mapping, results: Path) -> None:
    """Raise InputError for a key that only a judge that is asked has, and for files that Snakemake may make again."""
    for key in judge:
        if key not in OF_PEOPLE:
            raise InputError(
                f"config: {section}.{key}: is for a judge that is asked, not for ratings by people; remove it"
            )
    for key in ("human", "sheet_key"):
        if Path(judge[key]).parent == results:
            raise InputError(
                f"config: {section}.{key}: {judge[key]} may be made again; copy it to a folder of your own"
            )

# The matrix and everything that rules look up in the configuration, as objects of workflow/scripts/study/, and the
# constraints of wildcards. Rules use these names and their own imports, but no names of other rule files.

import os

from basics.code_digest import code_of
from data.languages import read_table
from models.warm_start import SWITCH
from study.answers import Answers
from study.artifacts import Artifacts
from study.bases import Bases
from study.compute import Compute
from study.controls import Controls
from study.downloads import Downloads
from study.exports import Exports
from study.identification import Identification
from study.judges import Judges
from study.matrix import Matrix
from study.preflight import Preflight
from study.recipes import Recipes
from study.released import ReleasedModels
from study.selections import Selections
from study.site import Site, site_or_exit
from study.sources import Sources
from study.tokens import Tokens
from study.trainings import Trainings
from study.translations import Translations
from study.wildcards import as_written, one_of
from training.trackers import TRACKERS

RESULTS = f"results/{config['experiment']}"  # for parameters, in which Snakemake does not expand <results>
LANGUAGE_TABLE = "resources/languages.yaml"
LANGUAGES = read_table(LANGUAGE_TABLE)

# For programs; no result depends on these.
os.environ[SWITCH] = config["compute"]["start"]
os.environ[TRACKERS] = " ".join(config["trackers"])

SITE = Site(site_or_exit())
MATRIX = Matrix(config)
SOURCES = Sources(config)
TRANSLATIONS = Translations(config, SOURCES)
RECIPES = Recipes(config)
BASES = Bases(config)
TOKENS = Tokens(config, BASES, RECIPES)
COMPUTE = Compute(config)
TRAININGS = Trainings(config, BASES, COMPUTE, RECIPES)
RELEASED = ReleasedModels(config, BASES)
JUDGES = Judges(config, COMPUTE)
CONTROLS = Controls(config, MATRIX)
ANSWERS = Answers(config, MATRIX, JUDGES)
IDENTIFICATION = Identification(config, LANGUAGES, SOURCES, BASES, ANSWERS)
SELECTIONS = Selections(config, MATRIX, RECIPES, LANGUAGES)
DOWNLOADS = Downloads(MATRIX, RECIPES, TRAININGS)
DOWNLOADED = DOWNLOADS.all(SOURCES, TRANSLATIONS, IDENTIFICATION, BASES, JUDGES)
PREFLIGHT = Preflight(config, MATRIX, COMPUTE, TRAININGS, RECIPES, TRANSLATIONS, JUDGES)
ARTIFACTS = Artifacts(config, MATRIX, SELECTIONS)
EXPORTS = Exports(MATRIX, SOURCES, TRANSLATIONS, ARTIFACTS)
NOTE = as_written(config["note"])


# Results, logs and benchmarks of an experiment are in one folder, so that two experiments share nothing.
pathvars:
    results=f"results/{config['experiment']}",
    logs=f"results/{config['experiment']}/logs",
    benchmarks=f"results/{config['experiment']}/benchmarks",


wildcard_constraints:
    method=one_of(config["methods"]),
    model=one_of(config["models"]),
    family=one_of(config["families"]),
    recipe=one_of(RECIPES.names),
    lang=one_of(dict.fromkeys([*MATRIX.trained, *MATRIX.tested])),
    judge=one_of(JUDGES.names),
    shard=r"\d+",
    number=r"\d+",

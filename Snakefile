# From the English Alpaca data to Figures 2-7 of Chen et al. (2024). Start with README.md; the paper's settings
# are in config/config.yaml, the stages in workflow/rules/, one file each, included in the order in which they run.

from pathlib import Path

from snakemake.utils import min_version

min_version("9.14")  # pathvars, in matrix.smk: in this file, an older Snakemake would find a syntax error


include: "workflow/rules/code.smk"


from planning.targets import check_targets_or_exit
from study.checking import check_or_exit
from study.short_forms import expanded

check_or_exit(config, workflow.configfiles)
GIVEN = config  # the version that is saved with the results
config = expanded(config)


# A limit on these applies within each submission to a cluster, rather than to all of them together.
resource_scopes:
    serving="local",
    in_turn="local",


include: "workflow/rules/matrix.smk"
include: "workflow/rules/seed.smk"
include: "workflow/rules/translation_models.smk"
include: "workflow/rules/translate.smk"
include: "workflow/rules/recipe.smk"
include: "workflow/rules/base.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/tokenize.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/respond.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/people.smk"
include: "workflow/rules/controls.smk"
include: "workflow/rules/langid.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/answers.smk"
include: "workflow/rules/overlap.smk"
include: "workflow/rules/costs.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/exports.smk"
include: "workflow/rules/preflight.smk"
include: "workflow/rules/preflight_services.smk"
include: "workflow/rules/hooks.smk"


# Targets. Any file or folder below results/ can also be requested by its path. The target of a figure includes the
# files of its runs: Snakemake does not notice when a file that nothing requests is missing.


rule all_figures:
    default_target: True
    input:
        [ARTIFACTS.files_behind(f"figure{number}") for number in MATRIX.figures],
        ARTIFACTS.tables,
        ARTIFACTS.judges,
        ARTIFACTS.claims,
        ARTIFACTS.pages + ARTIFACTS.curves,
        ARTIFACTS.answers,
        "<results>/summary.md",
        "<results>/config.yaml",


for number in MATRIX.figures:

    rule:
        name:
            f"figure{number}"
        input:
            ARTIFACTS.files_behind(f"figure{number}"),


# Everything that comes from the network, for clusters whose compute nodes have none.
rule all_downloads:
    input:
        DOWNLOADED,


rule all_translations:
    input:
        [RECIPES.rows_in(lang) for lang in MATRIX.trained],


rule all_recipes:
    input:
        expand("<results>/recipes/{recipe}", recipe=RECIPES.assembled),


# Everything that trainings read. After a change to an earlier stage, make this first: if it comes out the same, no
# training is repeated.
rule all_tokens:
    input:
        sorted(
            {
                folder(run)
                for run in MATRIX.runs
                if run.method in TRAININGS.methods_from("trained")
                for folder in (BASES.model, TOKENS.folder)
            }
        ),


rule all_models:
    input:
        ARTIFACTS.models,


rule all_responses:
    input:
        ARTIFACTS.responses,


rule all_ratings:
    input:
        ARTIFACTS.ratings,


rule all_scores:
    input:
        "<results>/scores.parquet",


# Results in the formats of other programs, for publication; no figure needs them.
rule all_exports:
    input:
        EXPORTS.targets,


check_targets_or_exit(workflow, CODE, [*config["methods"], *config["models"], *RECIPES.names, *JUDGES.names])

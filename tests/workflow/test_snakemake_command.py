"""What Snakemake itself would answer with a traceback is one line with the remedy."""

import re

import pytest

from snake import DEMO, REPOSITORY, checkout, snakemake

KNOWN_TO_8 = {"include", "configfile", "resource_scopes", "rule", "input", "default_target", "name"}


@pytest.mark.parametrize("profile", ["profiles/local", "profiles/slurm"])
def test_a_target_that_is_taken_for_a_configuration_file_is_told_where_it_belongs(profile):
    said = snakemake("--profile", profile, "--dry-run", *DEMO, "all_figures")
    assert said.returncode == 1 and said.stdout.splitlines()[-1] == (
        "error: all_figures: no such configuration file; targets come after --: --configfile my.yaml -- all_figures"
    )


NO_CONFIGURATION = {
    "tabs": ("train:\n\tlora: {rank: 4}\n", "not valid YAML (while scanning for the next token found character '\\t'"),
    "a list": ("- note: x\n", "holds no keys; write KEY: VALUE, as in config/demo.yaml, or leave the file out"),
    "nothing": ("", "holds no keys; write KEY: VALUE"),
}


@pytest.mark.parametrize("profile", ["profiles/local", "profiles/slurm"])
@pytest.mark.parametrize("kind", NO_CONFIGURATION)
def test_a_file_that_is_no_configuration_is_named(profile, kind, tmp_path):
    text, fault = NO_CONFIGURATION[kind]
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(text, encoding="utf-8")
    said = snakemake("--profile", profile, "--dry-run", *DEMO, str(overlay), "--", "all_figures")
    assert said.returncode == 1 and said.stdout.splitlines()[-1].startswith(f"error: {overlay}: {fault}"), said.stdout


def test_without_a_target_all_figures_are_made():
    said = snakemake("--profile", "profiles/local", "--dry-run", "--quiet", "rules", *DEMO)
    assert said.returncode == 0 and re.search(r"^all_figures +1$", said.stdout, flags=re.MULTILINE)


def test_an_older_snakemake_reads_as_far_as_the_version_that_is_wanted():
    """Which was seen with 8.30.0: it reads all of a file first, and would find `pathvars` in it a syntax error."""
    text = (REPOSITORY / "Snakefile").read_text(encoding="utf-8")
    assert {*re.findall(r"^ *(\w+)(?: \w+)?:", text, flags=re.MULTILINE)} - {"for"} <= KNOWN_TO_8
    assert text.index("min_version(") < text.index("\ninclude:")


def test_a_snakemake_that_is_too_old_is_told_the_version_that_is_wanted(tmp_path):
    house = checkout(tmp_path)
    snakefile = house / "Snakefile"
    snakefile.write_text(re.sub(r'min_version\(".*?"\)', 'min_version("99.0")', snakefile.read_text()))
    said = snakemake("--dry-run", "--cores", "1", directory=house)
    assert said.returncode == 1 and "Expecting Snakemake version 99.0 or higher" in said.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("all_figure", "all_figures"),
        ("figure22", "figure2"),
        ("results/demo/models/lora/tiny-blom-s/mono-en", "results/demo/models/lora/tiny-bloom-s/mono-en"),
        ("results/demo/model/lora/tiny-bloom-s/multi-lingual", "results/demo/models/lora/tiny-bloom-s/multilingual"),
        ("results/demo/summery.md", "results/demo/summary.md"),
    ],
)
def test_a_target_that_is_misspelt_is_told_with_the_one_that_was_meant(target, meant):
    said = snakemake("--dry-run", "--quiet", *DEMO, "--", target)
    assert said.returncode == 1
    assert said.stdout.splitlines()[-1] == f"error: {target}: no rule makes this; did you mean {meant}?"


def test_a_target_that_is_like_no_other_is_left_to_snakemake():
    said = snakemake("--dry-run", "--quiet", *DEMO, "--", "elephants")
    assert said.returncode == 1 and "No rule to produce elephants" in said.stdout

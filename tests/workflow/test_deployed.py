"""The workflow as a module that Snakemake fetches from GitHub, in the way that snakedeploy writes it; git is told that
GitHub is a folder, so nothing leaves the machine.
"""

import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name

from edits import change
from snake import DEMO, REPOSITORY, checkout, snakemake
from test_environments import required

# snakedeploy 0.17.1: deploy-workflow https://github.com/owner/better-alpaca . --tag v1.0
DEPLOYED = """
configfile: "config/config.yaml"
module better_alpaca:
    snakefile:
        github("owner/better-alpaca", path="workflow/Snakefile", tag="v1.0")
    config:
        config
use rule * from better_alpaca
"""
CATALOGUE = REPOSITORY / ".snakemake-workflow-catalog.yml"
TARGET = "results/demo/recipes/mono-en"
LOCAL = ("--profile", "profiles/local", *DEMO)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A release v1.0 of this code on what git takes for GitHub."""
    repository = tmp_path / "github/owner/better-alpaca"
    repository.mkdir(parents=True)
    (checkout(repository) / ".venv-bergamot").unlink()
    (tmp_path / "gitconfig").write_text(
        f'[url "file://{tmp_path}/github/"]\ninsteadOf = https://github.com/\n[user]\nname = A\nemail = a@example.org\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    git(repository, "init", "--quiet")
    release(repository, "v1.0")
    return repository


@pytest.fixture
def deployed(published, tmp_path):
    """The folder that snakedeploy makes: its Snakefile, and the configuration and profiles of the release."""
    folder = tmp_path / "project"
    (folder / "workflow").mkdir(parents=True)
    (folder / "workflow/Snakefile").write_text(DEPLOYED)
    for name in ("config", "profiles"):
        shutil.copytree(published / name, folder / name)
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def release(repository: Path, tag: str) -> None:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", tag)
    git(repository, "tag", tag)


def test_a_deployed_workflow_plans_the_paper_by_itself_and_makes_what_a_checkout_makes(deployed, tmp_path):
    planned = snakemake("--dry-run", "--quiet", "rules", directory=deployed)
    assert planned.returncode == 0 and "\ntrain " in planned.stdout, planned.stdout[-2000:]
    made = snakemake(*LOCAL, "--", TARGET, directory=deployed)
    assert made.returncode == 0, made.stdout[-3000:]
    other = checkout(tmp_path / "checkout")
    assert snakemake(*LOCAL, "--", TARGET, directory=other).returncode == 0
    for name in ("train.parquet", "validation.parquet", "manifest.json"):
        assert (deployed / TARGET / name).read_bytes() == (other / TARGET / name).read_bytes()


ONLY_SNAKEMAKE = """
import sys
class Absent:
    def find_spec(name, *_):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}")
sys.meta_path.insert(0, Absent)
from snakemake.cli import main
main(["--dry-run", "--quiet", "rules"])
"""


def test_an_environment_with_snakemake_and_its_plugin_for_slurm_plans_it(deployed):
    there = required(["snakemake", "snakemake-executor-plugin-slurm"])
    absent = {
        module
        for module, packages in packages_distributions().items()
        if not {canonicalize_name(package) for package in packages} & there
    }
    assert {"regex", "torch"} <= absent
    command = [sys.executable, "-c", ONLY_SNAKEMAKE.format(absent=absent)]
    done = subprocess.run(command, cwd=deployed, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_next_release_replaces_the_code_and_makes_nothing_again_that_is_the_same(published, deployed):
    assert snakemake(*LOCAL, "--", TARGET, directory=deployed).returncode == 0
    change(published / "workflow/scripts/recipe.py", "import argparse", "# the next release\nimport argparse")
    release(published, "v1.1")
    change(deployed / "workflow/Snakefile", "v1.0", "v1.1")
    again = snakemake(*LOCAL, "--dry-run", "--", TARGET, directory=deployed)
    assert "Nothing to be done" in again.stdout, again.stdout[-3000:]
    assert "# the next release" in (deployed / "workflow/scripts/recipe.py").read_text()


def test_the_flags_that_the_catalogue_shows_are_those_that_conda_needs(deployed):
    usage = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))["usage"]
    flags = usage["mandatory-flags"]["flags"]
    planned = snakemake("--dry-run", "--printshellcmds", *flags, "--", "all_translations", directory=deployed)
    assert planned.returncode == 0 and "--engine-python python " in planned.stdout, planned.stdout[-2000:]
    assert usage["software-stack-deployment"]["conda"] and usage["report"]


def test_the_catalogue_finds_what_it_looks_for():
    assert (REPOSITORY / "workflow/Snakefile").is_file() and (REPOSITORY / "config/README.md").is_file()
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme and "workflow" in readme

"""Code in one folder and results in another: on a cluster, home is small and scratch is large."""

import pytest

from snake import REPOSITORY, snakemake

TARGET = "results/demo/recipes/mono-en"
DEMO = ["--profile", str(REPOSITORY / "profiles/local"), "--configfile", str(REPOSITORY / "config/demo.yaml")]
MODULE = f"""
configfile: "{REPOSITORY}/config/config.yaml"
module alpaca:
    snakefile: "{REPOSITORY}/Snakefile"
    config: config
use rule * from alpaca
"""


def by_snakefile(folder, *options):
    return snakemake("--snakefile", str(REPOSITORY / "Snakefile"), *DEMO, *options, directory=folder)


def by_directory(folder, *options):
    return snakemake("--directory", str(folder), *DEMO, *options)


def as_a_module(folder, *options):
    (folder / "Snakefile").write_text(MODULE)
    return snakemake(*DEMO, *options, directory=folder)


WAYS = [by_snakefile, by_directory, as_a_module]


@pytest.mark.parametrize("way", WAYS)
def test_all_figures_are_planned_from_another_folder(way, tmp_path):
    said = way(tmp_path, "--dry-run", "--quiet", "all", "--", "all_figures")
    assert said.returncode == 0, said.stdout[-2000:]


def test_what_is_made_one_way_is_not_made_again_another(tmp_path):
    made = by_snakefile(tmp_path, "--", TARGET)
    assert made.returncode == 0 and (tmp_path / TARGET).is_dir(), made.stdout[-2000:]
    for way in WAYS:
        said = way(tmp_path, "--dry-run", "--", TARGET).stdout
        assert "Nothing to be done" in said, said[-2000:]
    copy = tmp_path / "results"
    assert not [path for path in copy.rglob("*.log") if str(REPOSITORY) in path.read_text()], "no path of the code"


def test_a_folder_of_other_code_is_refused(tmp_path):
    (tmp_path / "workflow/scripts").mkdir(parents=True)
    said = by_snakefile(tmp_path, "--dry-run", "--", TARGET)
    line = said.stdout.splitlines()[-1]
    assert said.returncode == 1 and line.startswith("error: ") and f"is not that of {REPOSITORY}" in line


def test_links_to_code_that_has_been_moved_are_renewed(tmp_path):
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/scripts").symlink_to(tmp_path / "where it was")
    assert by_snakefile(tmp_path, "--dry-run", "--quiet", "all", "--", TARGET).returncode == 0
    assert (tmp_path / "workflow/scripts").resolve() == REPOSITORY / "workflow/scripts"

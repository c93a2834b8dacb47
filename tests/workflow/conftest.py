import shutil

import pytest
from snake import CHECKOUT, DEMO, REPOSITORY, dry_run, run


@pytest.fixture
def copy(tmp_path):
    """A checkout with the finished miniature, to be spoilt."""
    for name in [*CHECKOUT, "results/demo", ".snakemake/metadata"]:
        source, target = REPOSITORY / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.startswith(".venv"):
            target.symlink_to(source)
        elif source.is_dir():
            shutil.copytree(source, target)  # with the times of the files
        else:
            shutil.copy2(source, target)
    assert not dry_run(*DEMO, "--", "all_figures", directory=tmp_path), "the copy must be as finished as the original"
    return tmp_path


@pytest.fixture(scope="session")
def miniature():
    """All figures of the miniature, in results/demo: made once, if they are not there."""
    if dry_run(*DEMO, "--", "all_figures"):  # which takes no lock, as side by side with others it must not
        run("--", "all_figures")

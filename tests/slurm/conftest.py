import shutil

import pytest

from cluster import CannotRun, Cluster, install
from controller import HERE, RESULTS, TARGET, WEIGHTS
from edits import change
from snake import REPOSITORY, checkout, run

MADE_BEFORE = ["corpus", "seed", "tokenizers", "bases", "recipes", "tokens"]  # the miniature makes the same


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A real Slurm for the whole session, with a checkout to run on it; without root or packages, these tests are
    skipped.
    """
    try:
        install()
    except CannotRun as reason:
        pytest.skip(f"no Slurm: {reason}")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    cluster.checkout = checkout(tmp_path_factory.mktemp("house"))
    # Slurm counts GPUs, but torch sees none: programs that were told to use them would stop.
    compute = cluster.checkout / "workflow/scripts/study/compute.py"
    change(compute, 'return self._settings["accelerator"]\n', 'return "cpu"\n')
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def unbroken(cluster) -> bytes:
    """The weights of the drills' training when nothing disturbs it; its inputs exist from then on."""
    for stage in MADE_BEFORE:
        made = REPOSITORY / "results" / "demo" / stage
        if made.exists():
            shutil.copytree(made, cluster.checkout / RESULTS / stage)
    run(str(HERE / "drills.yaml"), "--", TARGET, directory=cluster.checkout)
    return (cluster.checkout / WEIGHTS).read_bytes()

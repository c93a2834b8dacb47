import sys
from pathlib import Path

import pytest
from cluster import CannotRun, Cluster, install

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "workflow"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A real Slurm, for the whole session; without root or packages these tests are skipped."""
    try:
        install()
    except CannotRun as reason:
        pytest.skip(f"no Slurm: {reason}")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()

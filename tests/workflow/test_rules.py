"""The rules say what their scripts use: Snakemake does not see imports, so they are declared."""

import ast
import re

import pytest
import yte
from snake import DEMO, REPOSITORY, dry_run, snakemake

SCRIPTS = REPOSITORY / "workflow" / "scripts"
HEAD = r"^ *(?:use rule \w+ as (?=.* with)|rule )"
RULES = [
    (path.name, *found)
    for path in sorted((REPOSITORY / "workflow" / "rules").glob("*.smk"))
    for found in re.findall(
        rf"{HEAD}(\w+)(?: with)?:\n(.*?)(?={HEAD}|\Z)", path.read_text(), flags=re.MULTILINE | re.DOTALL
    )
]


@pytest.mark.parametrize(("file", "rule", "body"), RULES, ids=[rule for _, rule, _ in RULES])
def test_a_rule_takes_the_modules_of_its_own_script(file, rule, body):
    if "script=" not in body:
        pytest.skip("a command without a script")
    script = re.search(r'script="workflow/scripts/(\w+)\.py"', body).group(1)
    assert re.search(rf'shared=\[?\*?imports_of\("{script}"\)', body)


def test_the_slurm_profile_sends_every_rule_that_asks_for_a_gpu_to_the_gpu_partition(monkeypatch):
    monkeypatch.setenv("SLURM_GPU_PARTITION", "h100")
    asking = {rule for _, rule, body in RULES if re.search(r"^ +gpu=", body, flags=re.MULTILINE)}
    with open(REPOSITORY / "profiles" / "slurm" / "config.yaml", encoding="utf-8") as profile:
        resources = yte.process_yaml(profile)["set-resources"]
    assert {rule for rule, values in resources.items() if values.get("slurm_partition") == "h100"} == asking != set()


ONE_AT_A_TIME = """
rule all:
    input: expand("{n}", n=range(2))

rule judge:
    output: "{n}"
    resources: judging=1
    shell: "echo start >> times; sleep 0.5; echo end >> times; touch {output}"
"""


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_both_profiles_let_one_job_at_a_time_call_a_judges_endpoint(profile, tmp_path):
    (tmp_path / "Snakefile").write_text(ONE_AT_A_TIME)
    place = ["--snakefile", str(tmp_path / "Snakefile"), "--directory", str(tmp_path)]
    options = ["--profile", f"profiles/{profile}", "--executor", "local", "--cores", "4", "--jobs", "4"]
    result = snakemake(*place, *options, "--max-jobs-per-timespan", "1000/10s")
    assert result.returncode == 0, result.stdout
    assert (tmp_path / "times").read_text().split() == ["start", "end"] * 2


def test_an_import_of_an_import_is_an_input():
    job = next(job for job in dry_run(*DEMO, "--forceall", "--", "figure3") if job.rule == "judge")
    assert {f"workflow/scripts/{name}.py" for name in ("judge", "ratings", "served", "journal", "files")} <= set(
        job.inputs
    )


def test_a_module_imported_by_name_is_an_input():
    job = next(job for job in dry_run(*DEMO, "--forceall", "--", "all_translations") if job.rule == "translate_shard")
    assert {f"workflow/scripts/{name}.py" for name in ("structure", "bergamot_engine", "journal")} <= set(job.inputs)


def parsed_imports(script: str) -> set[str]:
    """Modules of workflow/scripts/ that Python itself sees a script import, directly or through another."""
    nodes = list(ast.walk(ast.parse((SCRIPTS / f"{script}.py").read_text(encoding="utf-8"))))
    named = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    named |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    own = {name for name in named if name and (SCRIPTS / f"{name}.py").exists()}
    return own.union(*map(parsed_imports, own))


def test_every_import_that_python_sees_is_an_input():
    jobs = {job.rule: job for job in dry_run("all_figures")} | {
        job.rule: job for job in dry_run("--forceall", *DEMO, "--", "all_figures")
    }
    for job in jobs.values():
        scripts = {path for path in job.inputs if path.startswith("workflow/scripts/")}
        for script in re.findall(r"python \S*?workflow/scripts/(\w+)\.py", job.command):
            assert {f"workflow/scripts/{name}.py" for name in parsed_imports(script)} <= scripts, job.rule


def test_every_program_has_a_rule_and_every_module_is_imported():
    # The Snakefile's own checks; docs/configuration.md; the table of docs/fidelity.md; started by the judge it serves;
    # make plan and make status.
    by_hand = {"check_config", "check_start", "config_reference", "effective_settings", "stand_in_judge"}
    by_hand |= {"plan", "status"}
    rules = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "workflow" / "rules").glob("*.smk")]
    named = {name for text in rules for name in re.findall(r"workflow/scripts/(\w+)\.py", text)} | by_hand
    imported = set()
    for path in SCRIPTS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module)
            elif isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
    assert {path.stem for path in SCRIPTS.glob("*.py")} - named - imported == set()


@pytest.mark.parametrize("script", sorted(path.stem for path in SCRIPTS.glob("*.py")))
def test_every_program_explains_itself(script):
    source = (SCRIPTS / f"{script}.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), f"{script}.py has no docstring"
    if "def main()" in source:
        assert "argparse" in source
        assert "description=__doc__" in source

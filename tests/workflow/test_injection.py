"""What a configuration says reaches programs as it was written, is never run by the shell, and leads to no path
outside.
"""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from basics.errors import InputError
from snake import DEMO, REPOSITORY, Job, dry_run, run
from study import checking
from study.configuration import merge, read_configs

RULES = sorted((REPOSITORY / "workflow" / "rules").glob("*.smk"))
NASTY = "my $(touch canary) `touch canary`; touch canary & touch canary 'single' \"double\" *"
TEXT = f"{NASTY} 100 % of {{bn}}, {{method}}, {{{{input}}}}"  # a path may hold no braces


def config_with(overlay: dict) -> dict:
    files = [REPOSITORY / "config" / name for name in ("config.yaml", "demo.yaml")]
    return merge(read_configs(files), overlay)


@pytest.mark.parametrize("path", RULES, ids=[path.stem for path in RULES])
def test_every_value_that_a_command_is_given_is_quoted(path):
    for block in re.findall(r"^ +shell:\n((?: +\".*\"\n?)+)", path.read_text(), flags=re.MULTILINE):
        assert [part for part in re.findall(r"\{[^{}]+\}", block) if not part.endswith(":q}")] == []


FAMILY = {"family": "tiny-bloom", "billions": 0.0002}
BLOOM = FAMILY | {"path": "x/y"}
JUDGE = {"name": "j", "label": "x", "model": "x", "serve": "x"}
REFUSED = {
    "a model that is a command": {"models": {"x; rm -rf ~": BLOOM}},
    "a model that leads out": {"models": {"../x": BLOOM}},
    "a language that leads out": {"languages": {"unseen": ["../.."]}},
    "an experiment that leads out": {"experiment": "../x"},
    "an experiment that ends a line": {"experiment": "x\n"},
    "a recipe that is a command": {"recipes": {"$(id)": {"languages": "all", "rows": "all"}}},
    "a method that is a command": {"methods": {"$(id)": {"of": "lora"}}},
    "a source that is a command": {"sources": {"`id`": {"path": "resources/demo/seed.jsonl"}}},
    "a judge that leads out": {"judges": [JUDGE | {"name": ".."}]},
    "a family that is a command": {"models": {"x": BLOOM | {"family": "$(id)"}}},
    "a repository that is a command": {"models": {"x": FAMILY | {"repo": "$(id)/x", "revision": "a"}}},
    "a revision that is a command": {"models": {"x": FAMILY | {"repo": "a/x", "revision": "a;b"}}},
    "a hash that is a command": {"sources": {"x": {"url": "https://x/y", "sha256": "$(id)"}}},
    "an address that is not https": {"sources": {"x": {"url": "http://x/y"}}},
    "an address of a file": {"sources": {"x": {"url": "file:///etc/passwd"}}},
    "a key's variable that is a command": {"judges": [JUDGE | {"key_env": "A;B"}]},
    "a server with an unclosed quote": {"judges": [JUDGE | {"serve": "x 'y"}]},
    "a path that is an option": {"data": {"seed": "-x/y"}},
    "a path that Snakemake reads as its own": {"claims": "<results>/{x}"},
    "a memory that is a command": {"compute": {"lora": [{"up_to": 1, "ranks": 1, "memory": "2GB\n", "runtime": "1h"}]}},
    "text that no command line can hold": {"note": "a\x00b"},
    "text that no file can hold": {"note": "a\ud800b"},
    "a number that is NaN": {"random_seed": float("nan")},
    "a name that is not text": {"models": {7: BLOOM}},
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_name_that_could_be_run_or_lead_out_of_the_results_is_refused(kind):
    with pytest.raises(InputError, match=r"^config: .*[:;(]") as refusal:
        checking.check_configuration(config_with(REFUSED[kind]))
    assert "\n" not in str(refusal.value)


@pytest.fixture(scope="module")
def nasty(tmp_path_factory) -> Iterator[tuple[Path, Path]]:
    """A valid config whose paths and texts contain everything that means something to a shell, and its folder."""
    folder = tmp_path_factory.mktemp("nasty") / NASTY
    folder.mkdir()
    demo, own = REPOSITORY / "resources" / "demo", {}
    for name, source in {
        "seed.jsonl": "seed.jsonl",
        "es.jsonl": "prompts/es.jsonl",
        "rows-fr.jsonl": "seed.jsonl",
        "grammar.yaml": "grammar.yaml",
        "claims.yaml": "../claims.yaml",
        "alpaca.json": "../templates/alpaca.json",
        "references.jsonl": "references.jsonl",
    }.items():
        (folder / name).write_bytes((demo / source).read_bytes())
        own[name] = str(folder / name)
    overlay = {
        "experiment": "nasty",
        "note": TEXT,
        "data": {"seed": own["seed.jsonl"], "prompts": {"default": "demo-prompts", "es": own["es.jsonl"]}},
        "translation": {"source": {"default": "packed", "fr": own["rows-fr.jsonl"]}, "python": f"{folder}/python"},
        "corpus": {"grammar": own["grammar.yaml"]},
        "claims": own["claims.yaml"],
        "tokenize": {"template": own["alpaca.json"]},
        "families": {"tiny-bloom": {"label": TEXT, "adapter_modules": [TEXT, "$(touch canary)"]}},
        "recipes": {"multilingual": {"label": TEXT}},
        "methods": {"nasty": {"of": "lora", "label": TEXT, "train": {"modules": ["; touch canary"]}}},
        "figures": {"figure3": {"runs": {"nasty": ["bloom"]}}},
        "respond": {"lora": {"cut_at": TEXT}},
        "judges": [
            {
                "name": "j",
                "label": TEXT,
                "model": TEXT,
                "serve": "python workflow/scripts/stand_in_judge.py --port {port} --references "
                + shlex.quote(own["references.jsonl"]),
                "files": [own["references.jsonl"]],
                "price": {"prompt": 1, "completion": 1},
            }
        ],
    }  # fmt: skip
    config = folder.parent / "config.yaml"
    config.write_text(yaml.safe_dump(overlay), encoding="utf-8")
    yield config, folder
    shutil.rmtree(REPOSITORY / "results" / "nasty", ignore_errors=True)


@pytest.fixture(scope="module")
def jobs(nasty) -> list[Job]:
    found = dry_run(*DEMO, str(nasty[0]), "--", "all_figures")
    found = [job for job in found if job.command not in ("", "None")]
    return [job for job in found if job.rule != "config_copy"]  # its command has many lines; it is run below


def test_the_shell_runs_nothing_that_the_config_says(jobs, tmp_path):
    """Each command of the whole study is given to the shell, with a python that does nothing."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to("/bin/true")
    commands = {job.rule: job.command for job in jobs}
    assert {"train", "respond", "judge", "figure", "claims", "take_translation", "recipe"} <= commands.keys()
    for rule, command in commands.items():
        for log in re.findall(r"2?> (\S+)", command):
            (tmp_path / log).parent.mkdir(parents=True, exist_ok=True)
        words = ["bash", "-euo", "pipefail", "-c", command]
        environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), rule
        assert not list(tmp_path.rglob("canary")), rule


def test_programs_are_given_what_the_config_says_word_for_word(jobs, nasty):
    words = {
        job.rule: shlex.split(job.command) for job in jobs if job.rule != "train" or "models/nasty/" in job.command
    }
    assert words["train"][words["train"].index("--adapter-modules") + 1] == "; touch canary"
    assert words["seed"][words["seed"].index("--input") + 1] == f"{nasty[1]}/seed.jsonl"
    assert f"--note={TEXT}" in words["claims"]


def test_files_with_such_names_are_read(nasty):
    results = "results/nasty"
    run(
        str(nasty[0]),
        "--",
        f"{results}/prompts/es.jsonl",
        f"{results}/translated/fr/rows.jsonl",
        f"{results}/config.yaml",
    )
    assert yaml.safe_load((REPOSITORY / results / "config.yaml").read_text(encoding="utf-8"))["note"] == TEXT
    for made, source in {"prompts/es.jsonl": "es.jsonl", "translated/fr/rows.jsonl": "rows-fr.jsonl"}.items():
        lines = (REPOSITORY / results / made).read_text(encoding="utf-8").splitlines()
        assert len(lines) == len((nasty[1] / source).read_text(encoding="utf-8").splitlines())
    assert not (REPOSITORY / "canary").exists()

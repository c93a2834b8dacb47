"""Each kind of bad configuration and bad input file stops the run with one line, before any job starts."""

import json
import re
from pathlib import Path

import pytest

from judge_endpoint import started
from snake import DEMO, REPOSITORY, checkout, snakemake

NOTICES = ("Using profile", "Config file ")  # Snakemake's own words before it reads the Snakefile


def refusal(*configfiles: Path, config: tuple[str, ...] = ()) -> str:
    """Run the miniature with configs laid over it; return the one line that refuses it."""
    experiment = "refused"
    given = ("--config", f"experiment={experiment}", *config)
    result = snakemake("--cores", "1", *DEMO, *map(str, configfiles), *given, "--", "all_figures")
    assert result.returncode != 0
    assert not (REPOSITORY / "results" / experiment).exists(), "no job may have started"
    lines = [line for line in result.stdout.splitlines() if line and not line.startswith(NOTICES)]
    assert len(lines) == 1, result.stdout
    return lines[0]


CONFIGS = {
    "an unknown key": ("translation: {shard: 2}", "translation.shard: unknown key; did you mean 'shards'?"),
    "an unknown model": ("select: {bloom: [tiny-blom-s]}", "did you mean 'tiny-bloom-s'?"),
    "an unknown language": ("languages: {unseen: [bn, xx]}", "'xx' is not in resources/languages.yaml"),
    "an unknown recipe in place of a mix": (
        "recipes: {upsampled: {rows: all}}",
        "recipes.upsampled.languages: missing",
    ),
    "an unquoted no": ("languages: {unseen: [bn, no]}", 'YAML reads an unquoted no as false; write "no" in quotes'),
    "an unquoted no as a key": ("sources: {demo-prompts: {no: x}}", 'write "no" in quotes'),
    "a number that YAML takes for text": ("train: {lora: {learning_rate: 1e-2}}", "write 1.0e-5"),
    "a language to mix that has no data": ("recipes: {multilingual: {languages: [en, bn]}}", "languages.train"),
    "a file that is not there": ("sources: {demo-seed: {path: resources/nowhere.jsonl}}", "does not exist"),
    "a released model that nobody pinned": (
        "train: {source: {lora: trained, full: released}}",
        "there is no pin for HPLT/sft-fpft-multilingual-tiny-bloom-s; add its commit",
    ),
    "a translation model that is not packed": ("languages: {train: [en, es, fr, bg, ru, zh, cs]}", "encs.tar.gz"),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_bad_config_is_refused_in_one_line(kind, tmp_path):
    text, expected = CONFIGS[kind]
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text, encoding="utf-8")
    line = refusal(overlay)
    assert line.startswith("error: config: ")
    assert expected in line


WHOSE = {
    "that of a later file": ("languages: {seen: []}", "languages.seen: [] should be", "languages.seen", "{first}"),
    "that of the last": ("train: {lora: {rank: yes}}", "or a number if one is meant", "train.lora.rank", "{first}"),
    "what lacks a key": ("methods: {mine: {}}", "of: missing; The method whose", "methods.mine", "{first}"),
    "a dot in a name": ("models: {a.b: {billions: 0}}", "models.a.b", "models.a.b", "{first}"),
    "that of the command line": ("random_seed: 1", "-1 is less than", "random_seed", "the command line"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOSE)
def test_of_several_files_the_line_names_the_one_with_the_fault(kind, tmp_path):
    text, fault, key, origin = WHOSE[kind]
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(text, encoding="utf-8")
    second.write_text("note: nothing wrong here\n", encoding="utf-8")
    more = ("random_seed=-1",) if origin == "the command line" else ()
    line = refusal(first, second, config=more)
    assert fault in line and line.startswith(f"error: config: {key}")
    assert re.search(rf" \[{re.escape(key)}[\w.]* is set in {re.escape(origin.format(first=first))}\]$", line), line


def test_a_key_that_is_repeated_is_refused_with_its_file_and_line(tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("train:\n  lora: {epochs: 1}\nnote: x\ntrain: {lora: {rank: 4}}\n", encoding="utf-8")
    line = refusal(overlay)
    assert line.startswith(f"error: {overlay}: not valid YAML ('train' appears twice") and "line 4" in line


GOOD = '{"instruction": "Name a fruit.", "input": "", "output": "An apple."}\n'
SEEDS = {
    "a line that is not JSON": (GOOD + "{torn\n", "line 2: not valid JSON"),
    "a row without output": (GOOD + '{"instruction": "Name a fruit."}\n', "row 1: the field 'output' is missing"),
    "a number for text": (GOOD + '{"instruction": 7, "output": "x"}\n', "row 1: the field 'instruction'"),
    "no rows": ("", "no rows"),
    "bytes that are not UTF-8": (GOOD.encode() + b'{"instruction": "\xff"}\n', "line 2: not UTF-8"),
}


@pytest.mark.parametrize("kind", SEEDS)
def test_bad_seed_data_is_refused_in_one_line(kind, tmp_path):
    content, expected = SEEDS[kind]
    seed, overlay = tmp_path / "seed.jsonl", tmp_path / "overlay.yaml"
    seed.write_bytes(content if isinstance(content, bytes) else content.encode())
    overlay.write_text(f"sources: {{demo-seed: {{path: {seed}}}}}\n", encoding="utf-8")
    line = refusal(overlay)
    assert line.startswith(f"error: {seed}")
    assert expected in line


PROMPTS = {
    "a prompt too few": (lambda rows: rows[:-1], "9 prompts, expected 10"),
    "an id twice": (lambda rows: [*rows[:-1], rows[0]], "occurs twice"),
    "an empty prompt": (lambda rows: [{**rows[0], "prompt": " "}, *rows[1:]], "prompt 1: the prompt is empty"),
}


@pytest.mark.parametrize("kind", PROMPTS)
def test_bad_prompts_are_refused_in_one_line(kind, tmp_path):
    spoil, expected = PROMPTS[kind]
    for source in (REPOSITORY / "resources/demo/prompts").glob("*.jsonl"):
        rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
        if source.stem == "bg":
            rows = spoil(rows)
        (tmp_path / source.name).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(f'sources: {{demo-prompts: {{path: "{tmp_path}/{{lang}}.jsonl"}}}}\n', encoding="utf-8")
    line = refusal(overlay)
    assert f"{tmp_path}/bg.jsonl" in line
    assert expected in line


def test_a_bad_claim_is_refused_in_one_line_before_any_job(tmp_path):
    claims, overlay = tmp_path / "claims.yaml", tmp_path / "overlay.yaml"
    text = (REPOSITORY / "resources" / "claims.yaml").read_text(encoding="utf-8")
    claims.write_text(text.replace("compare: downsampled", "compare: downsmpled", 1), encoding="utf-8")
    overlay.write_text(f"claims: {claims}\n", encoding="utf-8")
    assert refusal(overlay).startswith(
        f"error: {claims}: budget.compare: 'downsmpled' is neither one of multilingual, "
    )
    overlay.write_text("claims: nowhere.yaml\n", encoding="utf-8")
    assert "config: claims: nowhere.yaml does not exist" in refusal(overlay)


def test_a_judges_key_that_is_not_set_is_told_before_any_job(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    house, overlay = checkout(tmp_path / "house"), tmp_path / "overlay.yaml"
    judge = {"name": "mine", "label": "Mine", "model": "mine", "base_url": "https://judge.example/v1"}
    overlay.write_text(json.dumps({"judges": [judge]}), encoding="utf-8")
    done = snakemake("--cores", "1", *DEMO, str(overlay), "--", "all_figures", directory=house)
    told = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1 and len(told) == 1, done.stdout
    assert told[0].startswith("error: judge 'mine': the environment variable OPENAI_API_KEY is not set; export it")
    assert not any((house / "results" / "demo").iterdir())


def test_a_judge_that_would_not_answer_is_told_before_any_job_and_asked_nothing_by_a_dry_run(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-dead")
    house, overlay = checkout(tmp_path / "house"), tmp_path / "overlay.yaml"
    with started(key="sk-alive") as endpoint:
        judge = {"name": "mine", "label": "Mine", "model": "mine", "base_url": endpoint.url}
        overlay.write_text(json.dumps({"judges": [judge]}), encoding="utf-8")
        command = ("--cores", "1", *DEMO, str(overlay), "--", "all_figures")
        assert snakemake("--dry-run", *command, directory=house).returncode == 0
        assert not endpoint.keys
        done = snakemake(*command, directory=house)
    told = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1 and len(told) == 1 and "Traceback" not in done.stdout, done.stdout
    assert told[0].startswith("error: judge 'mine': the call failed: AuthenticationError: Error code: 401")
    assert "export a key that it accepts as OPENAI_API_KEY (check_judges: offline starts without asking)" in told[0]
    made = {path.parent for path in (house / "results" / "demo").rglob("*") if path.is_file()}
    assert made == {house / "results/demo/journals/judge/mine"}, "its ledger"

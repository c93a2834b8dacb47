"""`all_downloads` fetches all that a study fetches, and nothing else."""

import json

import pytest

from snake import DEMO, dry_run

FETCHING = ("download", "fetch_tokenizer", "fetch_base", "fetch_translation_model", "fetch_tuned")
RECIPES = [*(f"mono-{lang}" for lang in ("en", "es", "fr", "bg", "ru", "zh")), "multilingual", "downsampled"]
STUDIES = {
    "the paper": (),
    "newer models": ("config/presets/modern.yaml",),
    "more languages": ("config/presets/languages.yaml",),
    "translations and models that others have made": {
        "translation": {"source": "published"},
        "train": {"source": {"lora": "trained", "full": "released"}},
        "draw": ["figure4"],
        "select": {"bloom": ["bloom-560m"], "seven-billion": ["bloom-560m"], "pythia": ["pythia-70m"]},
    },
    "the miniature": DEMO[1:],
}


def fetches(target: str, *configuration: str) -> dict[str, str]:
    """By command, the rules that fetch something for a target."""
    jobs = dry_run("--quiet", "host", *(["--configfile", *configuration] if configuration else []), "--", target)
    return {job.command: job.rule for job in jobs if job.rule in (*FETCHING, "fetch_judge")}


@pytest.mark.parametrize("study", STUDIES)
def test_all_that_figures_need_from_the_network_is_a_target_of_its_own(study, tmp_path):
    configuration = STUDIES[study]
    if isinstance(configuration, dict):
        for recipe in RECIPES:
            (tmp_path / "bloom-560m" / recipe).mkdir(parents=True)
            (tmp_path / "bloom-560m" / recipe / "config.json").write_text("{}")
        released = {"full": {"path": f"{tmp_path}/{{model}}/{{recipe}}"}}
        (tmp_path / "study.json").write_text(json.dumps(configuration | {"released": released}))
        configuration = (str(tmp_path / "study.json"),)
    wanted = fetches("all_figures", *configuration)
    fetched = fetches("all_downloads", *configuration)
    judges = {command for command, rule in fetched.items() if rule == "fetch_judge"}
    assert {command: rule for command, rule in fetched.items() if command not in judges} == wanted
    assert len(judges) == (0 if study == "the miniature" else 1), (
        "a judge that is served would fetch its weights itself"
    )

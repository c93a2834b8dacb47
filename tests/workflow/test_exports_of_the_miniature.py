"""The exports of a finished run: other programs read all of them."""

import json
import shutil

import polars as pl
import pytest
from datasets import load_dataset

from readers import readers, run_reader, validated
from snake import DEMO, REPOSITORY, dry_run, run

pytestmark = [pytest.mark.demo, pytest.mark.usefixtures("miniature")]
READ = """
import json, sys
from alpaca_eval import metrics, utils

folders = sys.argv[1]
outputs = utils.load_or_convert_to_dataframe(f"{folders}/*/model_outputs.json")
ratings = utils.load_or_convert_to_dataframe(f"{folders}/*/stand-in/ratings.json")
pairs = utils.load_or_convert_to_dataframe(f"{folders}/*/stand-in/annotations.json")
print(json.dumps({
    "generators": outputs["generator"].nunique(),
    "outputs": len(outputs),
    "ratings": ratings["rating"].sum(),
    "rates": {name: metrics.get_winrate(some)["win_rate"] for name, some in pairs.groupby("generator_2")},
}, default=float))
"""


@pytest.fixture
def exports(copy):
    """The exports of a copy of the miniature, of which nothing else is made again."""
    shutil.rmtree(copy / "results" / "demo" / "exports", ignore_errors=True)
    assert {job.rule for job in dry_run(*DEMO, "--", "all_exports", directory=copy)} == {
        *("export_answers", "export_translations", "export_crate", "export_zenodo", "all_exports"),
    }
    run("--", "all_exports", directory=copy)
    return copy / "results" / "demo" / "exports"


@readers
def test_other_programs_read_the_exports_of_a_finished_run(exports, tmp_path):
    scores = pl.read_parquet(exports.parent / "scores.parquet")
    read = json.loads(run_reader(READ, exports / "alpaca_eval").splitlines()[-1])
    assert read["generators"] == scores.select("method", "model", "recipe").n_unique()
    assert read["outputs"] == len(scores) and read["ratings"] == scores["rating"].sum()
    assert len(read["rates"]) == 40 and all(0 <= rate <= 100 for rate in read["rates"].values())

    rows = load_dataset(str(exports / "translations"), "bg", split="train", cache_dir=str(tmp_path / "cache"))
    lines = (exports.parent / "translated" / "bg.jsonl").read_text(encoding="utf-8").splitlines()
    assert rows.to_list() == [json.loads(line) | {"lang": "bg"} for line in lines]

    said = validated(exports, "REQUIRED", tmp_path)
    assert said["passed"], said["issues"]
    graph = json.loads((exports / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    names = {entity.get("name") for entity in graph}
    assert {"instruction data", "prompts in bn", "translation into zh", "base model tiny-llama"} <= names
    assert {f"run/figures/figure{number}.pdf" for number in range(2, 8)} <= {entity["@id"] for entity in graph}
    texts = {path: path.read_bytes() for path in exports.rglob("*") if path.is_file()}
    here = (str(REPOSITORY).encode(), str(exports.parents[2]).encode())
    assert not [path for path, text in texts.items() if any(place in text for place in here)]
    assert json.loads(texts[exports / "zenodo.json"])["metadata"]["license"] == "MIT"

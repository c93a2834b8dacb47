"""The losses of all trainings as a figure, and every point of it in a csv."""

import csv
import json

import pytest

import curves
from basics.errors import InputError

LOSSES = {"train": [[1, 3.0], [2, 2.5], [4, 2.0]], "validation": [[2, 2.6], [4, 2.1]]}


@pytest.fixture
def models(tmp_path):
    """Folders of four models, of which one was not trained here."""
    found = []
    for run in ("lora/small/multilingual", "lora/small/mono-en", "lora/small/mono-es", "full/small/mine"):
        folder = tmp_path / "models" / run
        folder.mkdir(parents=True)
        found.append(folder)
        if run != "lora/small/mono-es":
            (folder / "training.json").write_text(json.dumps({"losses": LOSSES, "steps": 4}), encoding="utf-8")
    return found


def draw(folder, models):
    names = {"methods": {"lora": "LoRA"}, "models": {"small": "Small 1M"}, "recipes": {"mine": "My mix"}}
    names = json.dumps(names | {"languages": {"en": "English", "es": "Spanish"}})
    options = ["--fonts", "resources/fonts", "--output-prefix", str(folder / "curves")]
    curves.main(["--models", *map(str, models), "--names", names, *options])
    with (folder / "curves.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_point_of_every_training_is_in_the_csv(tmp_path, models):
    rows = draw(tmp_path, models)
    runs = [(row["method"], row["recipe"], row["kind"]) for row in rows]
    expected = [("lora", "mono-en"), ("lora", "multilingual"), ("full", "mine")]
    assert list(dict.fromkeys(runs)) == [(*run, kind) for run in expected for kind in ("train", "validation")]
    points = [(row["step"], row["steps"], row["loss"]) for row in rows]
    assert points[:3] == [("1", "4", "3"), ("2", "4", "2.5"), ("4", "4", "2")]


def test_a_panel_has_the_trainings_of_a_model_by_a_method(models):
    found = [curve for folder in models for curve in curves.curves_of(folder)]
    canvas = curves.draw_figure(found, curves.Names(), 6.3, "")
    panels = [axes for axes in canvas.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["lora\nsmall", "full\nsmall"]
    assert [len(axes.lines) for axes in panels] == [4, 2]
    thick = [line for line in panels[0].lines if line.get_linewidth() > 1]
    assert [line.get_xydata().tolist() for line in thick] == [[[0.5, 2.6], [1.0, 2.1]]] * 2


def test_the_same_trainings_give_the_same_bytes(tmp_path, models):
    draw(tmp_path, models)
    first = {path.name: path.read_bytes() for path in tmp_path.glob("curves*")}
    assert sorted(first) == ["curves-column.pdf", "curves-column.png", "curves.csv", "curves.pdf", "curves.png"]
    draw(tmp_path, models)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("curves*")} == first


def test_where_nothing_was_trained_the_figure_says_so(tmp_path, models):
    assert draw(tmp_path, models[2:3]) == []
    canvas = curves.draw_figure([], curves.Names(), 6.3, "")
    assert any("No model was trained here." in text.get_text() for text in canvas.texts)


def test_a_damaged_record_is_named(models):
    (models[0] / "training.json").write_text('{"losses": {}}', encoding="utf-8")
    with pytest.raises(InputError, match=r"multilingual/training\.json: "):
        list(curves.curves_of(models[0]))

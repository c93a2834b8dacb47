"""Recipes: one budget, held-out rows apart in every language, the same draw every time."""

import pytest
import recipe
from files import InputError, read_json, write_jsonl

LANGUAGES = ("en", "es", "zh")


def languages(rows: int = 40) -> dict[str, dict[int, dict]]:
    return {
        lang: {n: {"id": n, "instruction": f"{lang} {n}", "input": "", "output": "x"} for n in range(rows)}
        for lang in LANGUAGES
    }


def test_multilingual_holds_every_row_of_every_language_but_the_held_out():
    train, validation = recipe.assemble(languages(), "all", 5, seed=1)
    assert len(train) == 3 * 35
    assert len(validation) == 3 * 5


def test_downsampled_has_the_rows_of_one_language_drawn_from_all():
    train, _ = recipe.assemble(languages(), "one-language", 5, seed=1)
    assert len(train) == 35
    assert {row["lang"] for row in train} == set(LANGUAGES)


def test_the_same_ids_are_held_out_in_every_recipe_and_language():
    held = []
    for langs, rows in ((LANGUAGES, "all"), (LANGUAGES, "one-language"), (("en",), "all"), (("zh",), "10")):
        train, validation = recipe.assemble({lang: languages()[lang] for lang in langs}, rows, 5, seed=1)
        ids = {row["id"] for row in validation}
        assert not ids & {row["id"] for row in train}, "a translation of a held-out row may not be trained on"
        held.append(ids)
    assert all(ids == held[0] for ids in held)


def test_the_draw_depends_on_the_seed_alone():
    draw = [[(row["lang"], row["id"]) for row in recipe.assemble(languages(), "all", 5, seed)[0]] for seed in (1, 1, 2)]
    assert draw[0] == draw[1]
    assert draw[0] != draw[2]


def test_the_same_inputs_give_the_same_bytes(tmp_path, monkeypatch):
    for lang, rows in languages().items():
        write_jsonl(tmp_path / f"{lang}.jsonl", rows.values())
    for name in ("first", "second"):
        arguments = ["recipe.py", "--name", "multilingual", "--rows", "one-language", "--validation-rows", "5"]
        for lang in LANGUAGES:
            arguments += ["--language", f"{lang}={tmp_path / lang}.jsonl"]
        monkeypatch.setattr("sys.argv", [*arguments, "--seed", "42", "--output", str(tmp_path / name)])
        recipe.main()
    for file in ("train.parquet", "validation.parquet", "manifest.json"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
    manifest = read_json(tmp_path / "first" / "manifest.json")
    assert sum(manifest["train_rows"].values()) == 35
    assert len(manifest["validation_ids"]) == 5


def test_a_language_that_lost_a_row_is_named(tmp_path):
    rows = languages()["en"]
    write_jsonl(tmp_path / "en.jsonl", rows.values())
    write_jsonl(tmp_path / "es.jsonl", [row for row in rows.values() if row["id"] != 7])
    with pytest.raises(InputError, match=r"es.jsonl: row 7 is in this file or in .*en.jsonl, not in both"):
        recipe.read_languages({"en": tmp_path / "en.jsonl", "es": tmp_path / "es.jsonl"})


@pytest.mark.parametrize(("rows", "held"), [("1000", 5), ("all", 40)])
def test_more_rows_than_there_are_cannot_be_drawn(rows, held):
    with pytest.raises(InputError):
        recipe.assemble(languages(), rows, held, seed=1)

"""Recipes: one budget, the same rows held out in every language, the same draw every time; flagged rows left out."""

import subprocess
import sys
from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import recipe
from basics.errors import InputError
from basics.reading import read_json
from basics.writing import write_jsonl

LANGUAGES = ("en", "es", "zh")


def languages(rows: int = 40) -> dict[str, dict[int, dict]]:
    return {
        lang: {n: {"id": n, "instruction": f"{lang} {n}", "input": "", "output": "x"} for n in range(rows)}
        for lang in LANGUAGES
    }


def assemble(made: dict[str, dict[int, dict]], *arguments, **options) -> tuple[list[dict], list[dict]]:
    """What recipe.assemble makes of these rows, as rows."""
    tables = {lang: pl.DataFrame(list(rows.values()), schema=recipe.ROW) for lang, rows in made.items()}
    train, validation = recipe.assemble(tables, *arguments, **options)
    return train.to_dicts(), validation.to_dicts()


def test_multilingual_has_every_row_of_every_language_except_the_held_out_ones():
    train, validation = assemble(languages(), "all", 5, seed=1)
    assert len(train) == 3 * 35
    assert len(validation) == 3 * 5


def test_downsampled_has_the_rows_of_one_language_drawn_from_all():
    train, _ = assemble(languages(), "one-language", 5, seed=1)
    assert len(train) == 35
    assert {row["lang"] for row in train} == set(LANGUAGES)


def test_the_same_ids_are_held_out_in_every_recipe_and_language():
    held = []
    for langs, rows in ((LANGUAGES, "all"), (LANGUAGES, "one-language"), (("en",), "all"), (("zh",), "10")):
        train, validation = assemble({lang: languages()[lang] for lang in langs}, rows, 5, seed=1)
        ids = {row["id"] for row in validation}
        assert not ids & {row["id"] for row in train}, "a translation of a held-out row may not be trained on"
        held.append(ids)
    assert all(ids == held[0] for ids in held)


def test_the_draw_depends_on_the_seed_alone():
    draw = [[(row["lang"], row["id"]) for row in assemble(languages(), "all", 5, seed)[0]] for seed in (1, 1, 2)]
    assert draw[0] == draw[1]
    assert draw[0] != draw[2]


def test_another_sample_holds_out_the_same_rows():
    drawn, held = assemble(languages(), "one-language", 5, seed=1)
    other, held_again = assemble(languages(), "one-language", 5, seed=1, sample_seed=2)
    assert held_again == held
    assert len(other) == len(drawn)
    assert {(row["lang"], row["id"]) for row in other} != {(row["lang"], row["id"]) for row in drawn}
    assert assemble(languages(), "one-language", 5, seed=1, sample_seed=1) == (drawn, held)


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


def test_it_makes_no_difference_how_many_rows_are_read_at_a_time(tmp_path, monkeypatch):
    flags = {"es": {1: ["copied"], 39: ["copied"]}}
    paths = {lang: tmp_path / f"{lang}.jsonl" for lang in LANGUAGES}
    for lang, rows in with_flags(flags).items():
        write_jsonl(paths[lang], rows.values())
    whole = recipe.read_rows_by_language(paths)
    monkeypatch.setattr(recipe, "PART", 3)
    parts = recipe.read_rows_by_language(paths)
    assert all(parts[lang].equals(whole[lang]) for lang in LANGUAGES)
    assert recipe.rows_to_drop(parts, ["copied"])["es"] == flags["es"]


def test_an_id_that_occurs_twice_is_named(tmp_path):
    rows = list(languages()["en"].values())
    write_jsonl(tmp_path / "en.jsonl", [*rows, rows[3]])
    with pytest.raises(InputError, match=r"en.jsonl: an id occurs twice; make the file again"):
        recipe.read_rows_by_language({"en": tmp_path / "en.jsonl"})


def test_a_language_that_lost_a_row_is_named(tmp_path):
    rows = languages()["en"]
    write_jsonl(tmp_path / "en.jsonl", rows.values())
    write_jsonl(tmp_path / "es.jsonl", [row for row in rows.values() if row["id"] != 7])
    with pytest.raises(InputError, match=r"es.jsonl: row 7 is only in this file or only in .*en.jsonl;"):
        recipe.read_rows_by_language({"en": tmp_path / "en.jsonl", "es": tmp_path / "es.jsonl"})


def test_a_split_by_rows_holds_out_rows_of_the_mix_and_trains_on_their_translations():
    train, validation = assemble(languages(), "all", 5, seed=1, hold_out="rows")
    assert (len(train), len(validation)) == (3 * 40 - 5, 5)
    assert not pairs(train) & pairs(validation)
    assert {row["id"] for row in validation} <= {row["id"] for row in train}, "the leak that holding out ids prevents"


def test_a_split_by_rows_keeps_the_budget_of_one_language():
    train, validation = assemble(languages(), "one-language", 5, seed=1, hold_out="rows")
    assert (len(train), len(validation)) == (35, 5)
    assert not pairs(train) & pairs(validation)


def test_a_split_by_rows_depends_on_the_seed_alone():
    draws = [assemble(languages(), "all", 5, seed, hold_out="rows") for seed in (1, 1, 2)]
    assert draws[0] == draws[1]
    assert pairs(draws[0][1]) != pairs(draws[2][1])


def test_a_split_by_rows_holds_out_no_flagged_row():
    flags = {"es": {n: ["copied"] for n in range(40)}}
    train, validation = assemble(with_flags(flags), "all", 5, 1, ["copied"], hold_out="rows")
    assert (len(train), len(validation)) == (2 * 40 - 5, 5)
    assert {row["lang"] for row in train + validation} == {"en", "zh"}


@pytest.mark.parametrize("hold_out", ["ids", "rows"])
@pytest.mark.parametrize(("rows", "held"), [("1000", 5), ("all", 40)])
def test_more_rows_than_there_are_cannot_be_drawn(rows, held, hold_out):
    with pytest.raises(InputError):
        assemble(languages(), rows, held, seed=1, hold_out=hold_out)


def with_flags(flags: dict[str, dict[int, list[str]]]) -> dict[str, dict[int, dict]]:
    """The languages, with flags by language and row; rows of English have no such key, as in the seed."""
    made = languages()
    for lang in ("es", "zh"):
        for row_id, row in made[lang].items():
            row["flags"] = flags.get(lang, {}).get(row_id, [])
    return made


def pairs(rows: list[dict]) -> set[tuple[str, int]]:
    return {(row["lang"], row["id"]) for row in rows}


def test_flagged_rows_are_left_out_only_if_the_flag_is_named():
    flags = {"es": {n: ["copied", "language"] for n in range(40)}}
    assert assemble(with_flags(flags), "all", 5, 1) == assemble(languages(), "all", 5, 1)
    assert assemble(with_flags(flags), "all", 5, 1, ["repetition"]) == assemble(languages(), "all", 5, 1)


def test_a_row_with_a_named_flag_is_left_out_only_in_its_language():
    whole, _ = assemble(languages(), "all", 5, seed=1)
    row_id = whole[0]["id"]
    flags = {"es": {row_id: ["pieced", "copied"]}, "zh": {row_id: ["pieced"]}}
    train, _ = assemble(with_flags(flags), "all", 5, 1, ["copied"])
    assert pairs(whole) - pairs(train) == {("es", row_id)}
    assert set(train[0]) == {"id", "lang", "instruction", "input", "output"}


def test_held_out_ids_stay_held_out_and_flagged_ones_are_not_evaluated_on():
    _, whole = assemble(languages(), "all", 5, seed=1)
    held = {row["id"] for row in whole}
    flags = {"es": {min(held): ["copied"]}}
    train, validation = assemble(with_flags(flags), "all", 5, 1, ["copied"])
    assert pairs(whole) - pairs(validation) == {("es", min(held))}
    assert not held & {row["id"] for row in train}


def test_the_fixed_budget_is_that_of_a_language_without_flags():
    flags = {"es": {n: ["copied"] for n in range(20)}}
    train, _ = assemble(with_flags(flags), "one-language", 5, 1, ["copied"])
    assert len(train) == 35
    assert not {("es", n) for n in range(20)} & pairs(train)


def test_a_budget_that_flags_put_out_of_reach_is_refused():
    spanish = {"es": with_flags({"es": {n: ["copied"] for n in range(20)}})["es"]}
    refusal = r"35 rows are requested, but its languages have \d+, as 20 are left out for their flags"
    with pytest.raises(InputError, match=refusal):
        assemble(spanish, "one-language", 5, 1, ["copied"])


def test_a_recipe_without_any_row_left_is_refused():
    spanish = {"es": with_flags({"es": {n: ["copied"] for n in range(40)}})["es"]}
    with pytest.raises(InputError, match="no row is left"):
        assemble(spanish, "all", 5, 1, ["copied"])


def run(folder, *options):
    command = [
        sys.executable,
        recipe.__file__,
        "--name",
        "mix",
        "--rows",
        "all",
        "--validation-rows",
        "5",
        "--seed",
        "1",
    ]
    for lang in LANGUAGES:
        command += ["--language", f"{lang}={folder / lang}.jsonl"]
    return subprocess.run([*command, *options, "--output", folder / "mix"], capture_output=True, text=True)


def test_what_was_left_out_is_counted_by_language_and_flag(tmp_path):
    flags = {"es": {1: ["copied"], 2: ["copied", "language"], 3: ["pieced"]}, "zh": {1: ["language"]}}
    for lang, rows in with_flags(flags).items():
        write_jsonl(tmp_path / f"{lang}.jsonl", rows.values())
    done = run(tmp_path, "--drop-flag", "copied", "--drop-flag", "language")
    assert "left out for their flags: es 2 (copied 2, language 1), zh 1 (language 1)" in done.stderr
    manifest = read_json(tmp_path / "mix" / "manifest.json")
    assert manifest["drop_flags"] == ["copied", "language"]
    assert manifest["dropped_rows"] == {"es": 2, "zh": 1}
    assert manifest["dropped_by_flag"] == {"es": {"copied": 2, "language": 1}, "zh": {"language": 1}}
    left = sum(manifest["train_rows"].values()) + sum(manifest["validation_rows"].values())
    assert left == 3 * 40 - 3
    assert len(manifest["validation_ids"]) == 5


@pytest.mark.parametrize(("options", "held_out"), [((), 3 * 5), (("--hold-out", "rows"), 5)], ids=["ids", "rows"])
def test_what_is_held_out_is_chosen_and_recorded(tmp_path, options, held_out):
    for lang, rows in languages().items():
        write_jsonl(tmp_path / f"{lang}.jsonl", rows.values())
    done = run(tmp_path, *options)
    assert done.returncode == 0, done.stderr
    manifest = read_json(tmp_path / "mix" / "manifest.json")
    assert manifest["hold_out"] == (options[-1] if options else "ids")
    assert sum(manifest["validation_rows"].values()) == held_out


def test_an_unknown_flag_is_refused_with_a_suggestion(tmp_path):
    for lang, rows in languages().items():
        write_jsonl(tmp_path / f"{lang}.jsonl", rows.values())
    done = run(tmp_path, "--drop-flag", "copyed")
    assert done.returncode == 1
    assert done.stderr.startswith("error: --drop-flag copyed: no such flag; did you mean 'copied'? There are pieced, ")
    assert done.stderr.count("\n") == 1


def counts(train: list[dict]) -> dict[str, int]:
    return dict(Counter(row["lang"] for row in train))


def test_languages_may_have_the_same_share():
    train, _ = assemble(languages(), "one-language", 4, 1, share_rule=recipe.ShareRule("language"))
    assert counts(train) == {"en": 12, "es": 12, "zh": 12}


def test_weights_are_shares_and_the_largest_remainder_gets_the_odd_row():
    share_rule = recipe.ShareRule(weights={"en": 4, "es": 2, "zh": 1})
    train, _ = assemble(languages(), "20", 5, 1, share_rule=share_rule)
    assert counts(train) == {"en": 11, "es": 6, "zh": 3}, "from 11.4, 5.7 and 2.9"


def test_all_rows_by_weight_are_as_many_as_the_scarcest_language_allows():
    train, _ = assemble(languages(), "all", 5, 1, share_rule=recipe.ShareRule(weights={"en": 2, "es": 1, "zh": 1}))
    assert counts(train)["en"] == 35 and sum(counts(train).values()) == 70


@pytest.mark.parametrize(("temperature", "share"), [(1, 0.5), (2, 0.37), (1000, 0.334)])
def test_a_temperature_brings_unequal_languages_together(temperature, share):
    """es and zh have lost rows to a flag: English has 160 rows, they have 80 each."""
    many = {
        lang: {n: row | {"flags": ["copied"] if lang != "en" and n % 2 else []} for n, row in rows.items()}
        for lang, rows in languages(200).items()
    }
    share_rule = recipe.ShareRule(temperature=temperature)
    train, _ = assemble(many, "150", 40, 1, drop=["copied"], share_rule=share_rule)
    shares = counts(train)
    have = {lang: sum(not row["flags"] for n, row in rows.items()) for lang, rows in many.items()}
    assert have["en"] == 200
    assert shares["en"] / 150 == pytest.approx(share, abs=0.06)


def test_a_pinch_of_other_languages_takes_the_place_of_rows_of_the_first():
    train, _ = assemble(languages(), "one-language", 5, 1, share_rule=recipe.ShareRule(others=6))
    assert len(train) == 35 and counts(train)["en"] == 29
    assert [row["lang"] for row in train[:6]] != ["en"] * 6 or "en" in [row["lang"] for row in train[29:]], "shuffled"


def test_a_larger_pinch_keeps_the_budget():
    sizes = [len(assemble(languages(), "20", 5, 1, share_rule=recipe.ShareRule(others=n))[0]) for n in (1, 7, 20)]
    assert sizes == [20, 20, 20]


def test_a_pinch_of_all_rows_is_refused():
    with pytest.raises(InputError, match="--others: is a part of the rows; give --rows one-language or a number"):
        assemble(languages(), "all", 5, 1, share_rule=recipe.ShareRule(others=6))


def test_a_share_larger_than_a_language_is_refused():
    with pytest.raises(InputError, match="50 rows of en are requested, but there are 35"):
        assemble(languages(), "52", 5, 1, share_rule=recipe.ShareRule(weights={"en": 50, "es": 1, "zh": 1}))


@given(
    have=st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1),
    data=st.data(),
)
def test_any_shares_add_up_and_no_language_gives_more_than_it_has(have, data):
    weights = {lang: data.draw(st.floats(0.01, 100)) for lang in have}
    shares = recipe.shares_of(have, recipe.ShareRule(weights=weights))
    rows = recipe.largest_budget(shares, have)
    wanted = recipe.quotas(shares, rows)
    assert sum(wanted.values()) == rows
    assert all(0 <= wanted[lang] <= have[lang] for lang in have)
    assert all(abs(wanted[lang] - shares[lang] * rows) < 1 for lang in have)


def test_the_manifest_says_how_rows_were_shared(tmp_path, monkeypatch):
    for lang, rows in languages().items():
        write_jsonl(tmp_path / f"{lang}.jsonl", rows.values())
    arguments = ["recipe.py", "--name", "mix", "--rows", "20", "--validation-rows", "5", "--seed", "1"]
    for lang, weight in zip(LANGUAGES, ("3", "1", "1"), strict=True):
        arguments += ["--language", f"{lang}={tmp_path / lang}.jsonl", "--weight", f"{lang}={weight}"]
    monkeypatch.setattr("sys.argv", [*arguments, "--output", str(tmp_path / "mix")])
    recipe.main()
    manifest = read_json(tmp_path / "mix" / "manifest.json")
    assert manifest["mixing"]["weights"] == {"en": 3, "es": 1, "zh": 1}
    assert manifest["train_rows"] == {"en": 12, "es": 4, "zh": 4}

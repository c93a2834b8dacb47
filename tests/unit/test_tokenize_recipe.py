"""A recipe as token ids: the template, the end of text, the length limit, and the same bytes every time."""

import filecmp
import json
import sys

import polars as pl
import pytest
from datasets import load_from_disk

import tiny
import tokenize_recipe
from basics.errors import InputError
from data.template import Template
from models.tokenizer import Tokenizer


def run(monkeypatch, recipe, tokenizer, output, *options, max_length=512):
    arguments = {"--recipe": recipe, "--tokenizer": tokenizer, "--template": tiny.ALPACA}
    arguments |= {"--max-length": max_length, "--output": output}
    command = ["tokenize_recipe.py", *(str(part) for pair in arguments.items() for part in pair), *map(str, options)]
    monkeypatch.setattr(sys, "argv", command)
    tokenize_recipe.main()
    return load_from_disk(str(output))


def test_a_row_is_prompt_response_and_end_of_text(tmp_path, monkeypatch):
    recipe, folder = tiny.recipe(tmp_path / "recipe"), tiny.tokenizer(tmp_path / "tokenizer")
    dataset = run(monkeypatch, recipe, folder, tmp_path / "tokens")
    tokenizer, template = Tokenizer(folder), Template(tiny.ALPACA)
    source = pl.read_parquet(recipe / "train.parquet").to_dicts()
    assert dataset["train"].column_names == ["id", "lang", "input_ids", "prompt_length", "length"]
    for row, original in zip(dataset["train"], source, strict=True):
        prompt = template.prompt(original["instruction"], original["input"])
        assert (row["id"], row["lang"]) == (original["id"], original["lang"])
        assert row["input_ids"][: row["prompt_length"]] == tokenizer.encode_prompt(prompt)
        assert tokenizer.decode(row["input_ids"]) == prompt + original["output"]
        assert row["input_ids"][-1] == tokenizer.eos
        assert row["length"] == len(row["input_ids"])


def test_it_makes_no_difference_how_many_rows_are_in_memory_at_a_time(tmp_path, monkeypatch):
    recipe, folder = tiny.recipe(tmp_path / "recipe"), tiny.tokenizer(tmp_path / "tokenizer")
    whole = run(monkeypatch, recipe, folder, tmp_path / "whole", "--tokens", 1500)
    monkeypatch.setattr(tokenize_recipe, "PART", 2)
    parts = run(monkeypatch, recipe, folder, tmp_path / "parts", "--tokens", 1500)
    assert len(whole["train"]) > 2
    assert [parts[split].to_list() for split in parts] == [whole[split].to_list() for split in whole]


def test_a_value_that_is_missing_in_a_later_part_is_named(tmp_path, monkeypatch):
    recipe, folder = tiny.recipe(tmp_path / "recipe"), tiny.tokenizer(tmp_path / "tokenizer")
    rows = pl.read_parquet(recipe / "train.parquet")
    gone = pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise(pl.col("output")).alias("output")
    rows.with_columns(gone).write_parquet(recipe / "train.parquet")
    monkeypatch.setattr(tokenize_recipe, "PART", 2)
    with pytest.raises(InputError, match=r"train.parquet: the column 'output' lacks a value in some row"):
        run(monkeypatch, recipe, folder, tmp_path / "tokens")


def test_the_token_that_the_tokenizer_puts_before_a_text_is_kept_exactly_once(tmp_path, monkeypatch):
    folder = tiny.tokenizer(tmp_path / "tokenizer", bos=True)
    dataset = run(monkeypatch, tiny.recipe(tmp_path / "recipe"), folder, tmp_path / "tokens")
    for row in dataset["train"]:
        assert row["input_ids"][0] == 2
        assert 2 not in row["input_ids"][1:]


def test_a_long_row_is_cut_at_the_limit_and_counted(tmp_path, monkeypatch):
    recipe, folder = tiny.recipe(tmp_path / "recipe"), tiny.tokenizer(tmp_path / "tokenizer")
    whole = run(monkeypatch, recipe, folder, tmp_path / "whole")["train"]
    limit = sorted(whole["length"])[10]
    cut = run(monkeypatch, recipe, folder, tmp_path / "cut", max_length=limit)["train"]
    for before, after in zip(whole, cut, strict=True):
        assert after["input_ids"] == before["input_ids"][:limit]
        assert after["prompt_length"] == min(before["prompt_length"], limit)
    # A row that only loses its end-of-text has lost nothing of the prompt or the response.
    truncated = sum(length > limit + 1 for length in whole["length"])
    counts = json.loads((tmp_path / "cut" / "counts.json").read_text())["train"]
    assert sum(language["truncated"] for language in counts.values()) == truncated > 0


def test_counts_add_up_by_split_and_language(tmp_path, monkeypatch):
    folder = tiny.tokenizer(tmp_path / "tokenizer")
    dataset = run(monkeypatch, tiny.recipe(tmp_path / "recipe"), folder, tmp_path / "tokens")
    counts = json.loads((tmp_path / "tokens" / "counts.json").read_text())
    for split in ("train", "validation"):
        for language in ("en", "es"):
            rows = [row for row in dataset[split] if row["lang"] == language]
            assert counts[split][language] == {
                "rows": len(rows),
                "tokens": sum(row["length"] for row in rows),
                "response_tokens": sum(row["length"] - row["prompt_length"] for row in rows),
                "truncated": 0,
            }


def test_the_same_recipe_gives_the_same_bytes(tmp_path, monkeypatch):
    recipe, folder = tiny.recipe(tmp_path / "recipe"), tiny.tokenizer(tmp_path / "tokenizer")
    one, other = tmp_path / "one", tmp_path / "other"
    run(monkeypatch, recipe, folder, one)
    run(monkeypatch, recipe, folder, other)
    files = [str(path.relative_to(one)) for path in one.rglob("*") if path.is_file()]
    assert filecmp.cmpfiles(one, other, files, shallow=False)[0] == files


def test_a_response_that_would_merge_with_the_prompt_is_encoded_by_itself(tmp_path):
    """With a merge of line break and space, the joint text would change the prompt's last token."""
    folder = tiny.tokenizer(tmp_path / "tokenizer")
    definition = json.loads((folder / "tokenizer.json").read_text())
    definition["model"]["vocab"]["ĊĠ"] = len(definition["model"]["vocab"])
    definition["model"]["merges"] = [["Ċ", "Ġ"]]
    definition["pre_tokenizer"]["use_regex"] = False
    (folder / "tokenizer.json").write_text(json.dumps(definition))
    tokenizer = Tokenizer(folder)
    prompt, response = tokenizer.encode_examples([("Response:\n", " yes")])[0]
    assert prompt == tokenizer.encode_prompt("Response:\n")
    assert tokenizer.decode(prompt + response) == "Response:\n yes"


STRUCK = {
    "instruction": "How is text struck out in HTML? <eos>",
    "input": "<s>",
    "output": "Put it between <s> and <eos>, as in <s>old price<eos> new price. <eos>",
}


@pytest.mark.parametrize("bos", [False, True])
def test_the_name_of_a_special_token_in_a_text_is_text(tmp_path, monkeypatch, bos):
    recipe, folder = tiny.recipe(tmp_path / "recipe"), tiny.tokenizer(tmp_path / "tokenizer", bos=bos)
    rows = pl.read_parquet(recipe / "train.parquet")
    rows.with_columns(**{name: pl.lit(text) for name, text in STRUCK.items()}).write_parquet(recipe / "train.parquet")
    dataset = run(monkeypatch, recipe, folder, tmp_path / "tokens")
    counts = json.loads((tmp_path / "tokens" / "counts.json").read_text())["train"]
    assert all("special_tokens" not in language for language in counts.values())
    tokenizer, prompt = Tokenizer(folder), Template(tiny.ALPACA).prompt(STRUCK["instruction"], STRUCK["input"])
    for row in dataset["train"]:
        ids = row["input_ids"]
        assert [place for place, token in enumerate(ids) if token < 3] == ([0] if bos else []) + [len(ids) - 1]
        assert tokenizer.decode(ids) == prompt + STRUCK["output"]
        assert ids[: row["prompt_length"]] == tokenizer.encode_prompt(prompt)


def test_the_token_before_every_text_may_be_the_end_of_text(tmp_path):
    """As in OPT's tokenizer."""
    folder = tiny.tokenizer(tmp_path / "tokenizer", bos=True)
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<s>"}))
    tokenizer = Tokenizer(folder)
    ids = tokenizer.encode_prompt("What is it?")
    assert ids[0] == tokenizer.eos and tokenizer.special_in(ids) == 0
    assert tokenizer.special_in([*ids, tokenizer.eos]) == 1


def test_rows_in_which_a_tokenizer_reads_special_tokens_are_counted(tmp_path, monkeypatch, capsys):
    """Here, a tokenizer whose merges build <s> from ordinary tokens."""
    recipe, folder = tiny.recipe(tmp_path / "recipe"), tiny.tokenizer(tmp_path / "tokenizer", bos=True)
    definition = json.loads((folder / "tokenizer.json").read_text())
    definition["model"]["vocab"]["<s"] = len(definition["model"]["vocab"])
    definition["model"]["merges"] = [["<", "s"], ["<s", ">"]]
    definition["pre_tokenizer"]["use_regex"] = False
    (folder / "tokenizer.json").write_text(json.dumps(definition))
    rows = pl.read_parquet(recipe / "train.parquet")
    marked = pl.when(pl.col("id") == 4).then(pl.lit("Put it into <s>.")).otherwise(pl.col("output"))
    rows.with_columns(output=marked).write_parquet(recipe / "train.parquet")
    run(monkeypatch, recipe, folder, tmp_path / "tokens")
    counts = json.loads((tmp_path / "tokens" / "counts.json").read_text())["train"]
    assert [language.get("special_tokens") for language in counts.values()] == [1, None]
    assert "special tokens are read in the text of 1 rows" in capsys.readouterr().err


def test_a_template_that_names_a_special_token_is_refused(tmp_path, monkeypatch):
    recipe, folder = tiny.recipe(tmp_path / "recipe"), tiny.tokenizer(tmp_path / "tokenizer")
    template = tmp_path / "template.json"
    template.write_text(
        json.dumps({"prompt_input": "{instruction} {input}<eos>", "prompt_no_input": "{instruction}<eos>"})
    )
    monkeypatch.setattr(tiny, "ALPACA", template)
    with pytest.raises(InputError, match=r"template.json: '<eos>' is a special token of the tokenizer, but would be"):
        run(monkeypatch, recipe, folder, tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()


@pytest.mark.parametrize("fault", ["no recipe", "no rows", "no column", "no tokenizer", "no eos"])
def test_bad_input_is_named_in_one_line(tmp_path, monkeypatch, fault):
    recipe, folder = tiny.recipe(tmp_path / "recipe"), tiny.tokenizer(tmp_path / "tokenizer")
    train = recipe / "train.parquet"
    match fault:
        case "no recipe":
            train.unlink()
            complaint = f"{train}: no such file"
        case "no rows":
            pl.read_parquet(train).clear().write_parquet(train)
            complaint = f"{train}: no rows"
        case "no column":
            pl.read_parquet(train).drop("output").write_parquet(train)
            complaint = f"{train}: the column 'output' is missing"
        case "no tokenizer":
            (folder / "tokenizer.json").unlink()
            complaint = "save the tokenizer as a fast one"
        case "no eos":
            (folder / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
            complaint = "eos_token is '</s>', which is not a token"
    with pytest.raises(InputError) as error:
        run(monkeypatch, recipe, folder, tmp_path / "tokens")
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "tokens").exists()


def made(tmp_path) -> tuple:
    return tiny.recipe(tmp_path / "recipe"), tiny.tokenizer(tmp_path / "tokenizer")


def test_a_budget_of_tokens_keeps_the_first_rows_that_fit(tmp_path, monkeypatch):
    common = made(tmp_path)
    run(monkeypatch, *common, tmp_path / "whole")
    lengths = load_from_disk(str(tmp_path / "whole"))["train"]["length"]
    budget = sum(lengths[:7]) + lengths[7] - 1
    run(monkeypatch, *common, tmp_path / "some", "--tokens", budget)
    kept = load_from_disk(str(tmp_path / "some"))
    assert list(kept["train"]["length"]) == list(lengths[:7])
    counts = json.loads((tmp_path / "some" / "counts.json").read_text())
    assert sum(language["tokens"] for language in counts["train"].values()) == sum(lengths[:7]) <= budget
    whole = json.loads((tmp_path / "whole" / "counts.json").read_text())
    assert counts["validation"] == whole["validation"], "the validation split does not change"


def test_a_budget_may_be_the_tokens_of_another_recipe(tmp_path, monkeypatch, capsys):
    common = made(tmp_path)
    run(monkeypatch, *common, tmp_path / "small", "--tokens", 500)
    run(monkeypatch, *common, tmp_path / "same", "--tokens-of", tmp_path / "small")
    small, same = (load_from_disk(str(tmp_path / name))["train"] for name in ("small", "same"))
    assert small["length"] == same["length"]
    run(monkeypatch, *common, tmp_path / "whole")
    counts = json.loads((tmp_path / "whole" / "counts.json").read_text())
    counts["train"]["en"]["tokens"] += 1
    (tmp_path / "whole" / "counts.json").write_text(json.dumps(counts))
    run(monkeypatch, *common, tmp_path / "all", "--tokens-of", tmp_path / "whole")
    assert "all of them are taken" in capsys.readouterr().err


def test_a_budget_that_cannot_be_met_is_refused(tmp_path, monkeypatch):
    common = made(tmp_path)
    with pytest.raises(
        InputError, match=r"1,000,000 training tokens are asked for, but its rows have .*; ask for fewer"
    ):
        run(monkeypatch, *common, tmp_path / "tokens", "--tokens", 1_000_000)
    with pytest.raises(InputError, match="--tokens 2 are fewer than its first row has"):
        run(monkeypatch, *common, tmp_path / "tokens", "--tokens", 2)
    assert not (tmp_path / "tokens").exists()

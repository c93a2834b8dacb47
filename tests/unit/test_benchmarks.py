"""The benchmarks' data and models are as docs/benchmarks.md describes them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BENCHMARKS = REPOSITORY / "benchmarks"
sys.path.append(str(BENCHMARKS))

import bench_claims  # noqa: E402
import bench_dag  # noqa: E402
import bench_gpu  # noqa: E402
import bench_judging  # noqa: E402
import bench_language_confusion  # noqa: E402
import bench_memory  # noqa: E402
import bench_training  # noqa: E402
import random_model  # noqa: E402
from real_parts import real_parts  # noqa: E402
from study.checking import check_configuration  # noqa: E402
from study.configuration import merge, read_configs  # noqa: E402
from synthetic_rows import lexicon, synthetic_rows  # noqa: E402
from synthetic_tokens import LONGEST, SHORTEST, synthetic_lengths, synthetic_tokens, write_tokens  # noqa: E402
from training.examples import NO_LABEL, load_tokens  # noqa: E402
from training_peer import padding_collator  # noqa: E402
from translating.structure import kept_texts, prose_segments  # noqa: E402


def words(texts) -> int:
    return sum(len(text.split()) for text in texts)


def prose_of(rows: list[dict]) -> list[str]:
    return [segment for row in rows for text in row.values() for segment in prose_segments(text)]


def test_the_larger_matrix_is_a_valid_study_with_several_copies_of_every_model():
    paper = read_configs([REPOSITORY / "config" / "config.yaml"])
    large = merge(read_configs([REPOSITORY / "config" / "config.yaml"]), bench_dag.larger(3))
    check_configuration(large)
    assert {name: len(models) for name, models in large["select"].items()} == {
        name: 3 * len(set(models)) for name, models in paper["select"].items()
    }


def test_the_same_seed_gives_the_same_rows():
    assert list(synthetic_rows(20, 0.1)) == list(synthetic_rows(20, 0.1))
    assert list(synthetic_rows(20, 0.1)) != list(synthetic_rows(20, 0.1, seed=2))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
def test_rows_repeat_themselves_as_much_as_asked_and_are_as_long_as_alpacas(share):
    segments = prose_of(list(synthetic_rows(1000, share)))
    assert 1 - words(set(segments)) / words(segments) == pytest.approx(share, abs=0.02)
    assert words(segments) / 1000 == pytest.approx(124, rel=0.1)


def test_rows_contain_something_to_keep_only_on_request():
    assert not any(kept_texts(segment) for segment in prose_of(list(synthetic_rows(100, 0.0))))
    assert any(kept_texts(segment) for segment in prose_of(list(synthetic_rows(100, 0.0, numbers=0.1))))


def test_a_model_of_random_weights_decodes_as_many_pieces_as_its_length_factor_says(tmp_path):
    texts = [text for row in synthetic_rows(1500, 0.0) for text in row.values() if text]
    random_model.make_model(tmp_path / "mite", "mite", texts + lexicon())
    (tmp_path / "texts.json").write_text(json.dumps(["Cit lio rus tios gin cit tios cit lio rus gin lio."]))
    config, output = tmp_path / "mite" / "config.yml", tmp_path / "out.json"
    python = REPOSITORY / ".venv-bergamot" / "bin" / "python"
    command = [python, BENCHMARKS / "raw_engine.py", "--config", config]
    command += ["--texts", tmp_path / "texts.json", "--output", output]
    counts = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert counts["sentences"] == 1
    expected = random_model.MITE_LENGTH_FACTOR * counts["source_pieces"]
    assert counts["target_pieces"] == pytest.approx(expected, abs=1.5)
    assert len(json.loads(output.read_text(encoding="utf-8"))) == 1


def test_token_rows_have_alpacas_lengths_and_depend_on_their_seed_alone():
    lengths = synthetic_lengths(20_000, seed=1)
    assert sum(lengths) / len(lengths) == pytest.approx(120, rel=0.02)
    assert min(lengths) == SHORTEST
    assert max(lengths) == LONGEST
    assert sum(length == LONGEST for length in lengths) / len(lengths) < 0.01
    assert synthetic_tokens(5, 100, seed=1) == synthetic_tokens(5, 100, seed=1)
    assert synthetic_tokens(5, 100, seed=1) != synthetic_tokens(5, 100, seed=2)


def test_token_rows_are_whole_and_their_prompts_leave_something_to_learn():
    for row in synthetic_tokens(50, 100, seed=1):
        assert len(row["input_ids"]) == row["length"]
        assert 0 < row["prompt_length"] < row["length"]
        assert max(row["input_ids"]) < 100


def test_token_rows_are_read_as_a_tokenized_recipe(tmp_path):
    rows = synthetic_tokens(3, 100, seed=1)
    write_tokens(tmp_path / "tokens", rows, rows[:1])
    splits = load_tokens(tmp_path / "tokens")
    assert splits["train"].to_list() == rows and splits["validation"].to_list() == rows[:1]


def test_the_peers_batches_are_padded_to_a_multiple_and_padding_has_no_label():
    rows = [{"input_ids": [5, 6, 7], "labels": [NO_LABEL, 6, 7]}, {"input_ids": [8], "labels": [NO_LABEL]}]
    batch = padding_collator(multiple=4)(rows)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 0], [8, 0, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
    assert batch["labels"].tolist() == [[NO_LABEL, 6, 7, NO_LABEL], [NO_LABEL] * 4]


def test_a_different_loss_is_reported_as_such():
    assert bench_training.difference(9.741728, 9.741729) == "1e-07"
    assert "another loss" in bench_training.difference(9.74, 9.75)


def test_requests_are_counted_in_every_window_wherever_it_begins():
    times = [0.0, 0.5, 0.9, 1.2, 1.4, 5.0, 5.9, 6.0]
    assert bench_judging.most_within(times, 1) == 4, "from 0.5 on"
    assert bench_judging.most_within(times, 60) == 8
    assert bench_judging.seen([3.0, 0.0, 1.0, 2.0]) == bench_judging.Seen(4, 60.0, 4, 1)


def test_the_judge_stays_within_a_limit_that_the_plain_client_passes():
    ours, peer = (
        bench_judging.ask(bench_judging.Notebook(), way, 60) for way in (bench_judging.OURS, bench_judging.PEER)
    )
    assert ours.requests == peer.requests == 60
    assert ours.pace < 1.1 * bench_judging.ALLOWED < peer.pace, "over so few a late request shows"
    assert "| judge.py | 60 |" in bench_judging.report(ours, peer)
    assert "Ours never passes the limit" in bench_judging.report(ours, peer)
    assert "Ours PASSES the limit" in bench_judging.report(ours._replace(most_a_minute=bench_judging.ALLOWED + 1), peer)


def test_a_case_that_failed_is_a_line_of_the_table():
    measured = {"case": "a/lora", "device": "GPU", "steps": 3, "seconds": 2.0, "mfu": 0.5, "peak_memory": 2**30}
    fast, slow = ({"way": way, "tokens_per_second": pace} | measured for way, pace in (("ours", 900), ("other", 300)))
    failed = {"case": "b/lora", "way": "ours", "fault": "not enough memory"}
    rows = bench_gpu.report([fast, slow, failed, {"way": "other"} | measured | {"tokens_per_second": 10}])
    assert "| a/lora | ours | 900 | 50% | 1.0 GB | 3 in 2.0 s | 3.00 |" in rows
    assert "| b/lora | ours | not enough memory |  |  |  |  |" in rows


def test_a_case_that_exceeds_its_time_is_killed_and_reported(tmp_path):
    lines = bench_gpu.run_case("tiny-pythia/lora", ["--tiny"], limit=0.2)
    assert [line["fault"] for line in lines] == ["over its 0 s"] * 2


def test_both_ways_of_a_case_take_steps_with_the_same_loss():
    ours, authors = bench_gpu.run_case("tiny-bloom/full", ["--tiny"], limit=120)
    assert ours["steps"] >= 1
    assert authors["steps"] >= 1
    assert ours["loss"] == pytest.approx(authors["loss"], rel=1e-3)


def test_near_the_floor_an_interval_holds_the_truth_or_is_not_given():
    rows = bench_claims.coverage(300)
    assert all(row["covered"] >= 0.92 for row in rows)
    assert all(row["given"] < 0.15 for row in rows if row["zeros"] >= 0.96)
    assert all(row["plain"] < 0.7 for row in rows if row["zeros"] >= 0.98), "what a bootstrap by itself would cover"


def test_verdicts_are_wrong_that_find_a_difference_where_cells_are_alike():
    wrong = bench_claims.wrong_verdicts()
    assert wrong["lora-multilingual"] == wrong["families"] == {"holds", "does not hold"}
    assert wrong["lora-small"] == wrong["unseen-full-english"] == wrong["downsampled-level"] == {"does not hold"}
    assert wrong["unseen-lora-english"] == {"holds"}
    found = bench_claims.false_verdicts(0, 1, 4)
    assert found["claims"].keys() == bench_claims.CLAIMS.keys()
    assert found["any discovered"] <= found["any"]


def test_a_trainings_deviation_is_the_same_in_all_of_its_languages():
    alike = [bench_claims.Expected(2.0, 0.8)] * len(bench_claims.CELLS)
    shifted = bench_claims.with_seeds(alike, 3, bench_claims.np.random.default_rng(1))
    scores = {}
    for cell, plan in zip(bench_claims.CELLS, shifted, strict=True):
        scores.setdefault(cell[:3], set()).add(plan.rating * plan.match * bench_claims.PROMPTS)
    assert {len(values) for values in scores.values()} == {1}
    assert bench_claims.np.std([min(values) for values in scores.values()]) == pytest.approx(3, rel=0.15)


def test_the_claim_about_families_is_found_where_it_is_true_by_25_points():
    assert bench_claims.power(25, 0.98, 40) >= 0.7
    assert bench_claims.power(0, 0.98, 40) == 0


def test_every_rule_whose_memory_is_measured_has_a_job_with_what_it_asks_for(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_memory, "ROWS", 1200)
    (tmp_path / "made").mkdir()
    bench_memory.checkout(tmp_path)
    bench_memory.make_inputs(tmp_path, "seed")
    (tmp_path / "made" / "identifier.bin").touch()
    jobs = bench_memory.chosen(bench_memory.jobs_of(tmp_path))
    assert set(jobs) == set(bench_memory.RULES)
    assert jobs["tokenize"].asked == bench_memory.default_memory()
    assert "--recipe results/paper/recipes/multilingual" in jobs["tokenize"].command
    assert jobs["langid"].asked == 3000, "which the rule asks for itself"
    assert jobs["langid"].outputs[0] in jobs["score"].command


def test_a_translation_into_other_letters_keeps_its_lines_and_its_digits():
    (row,) = synthetic_rows(1, 0.0, numbers=1.0)
    translated = bench_memory.in_letters_of("ru", row["output"])
    assert not any(letter.isascii() and letter.isalpha() for letter in translated)
    assert translated.count("\n") == row["output"].count("\n")
    assert [letter for letter in translated if letter.isdigit()] == [each for each in row["output"] if each.isdigit()]
    assert len(bench_memory.in_letters_of("zh", "abc")) == 2


def test_a_rule_that_needs_more_than_it_asks_for_stands_out():
    fits = {"rule": "recipe", "peak": 1.3e9, "asked": 4000, "cpu": 14.2}
    page = bench_memory.report([fits, fits | {"rule": "overlap", "peak": 4.1e9}])
    assert "| `recipe` | 1,300 | 4,000 | yes | 14 |" in page
    assert "| `overlap` | 4,100 | 4,000 | NO | 14 |" in page


@real_parts
def test_a_rate_of_language_confusion_is_the_mean_over_the_sources_that_have_answers_to_judge(tmp_path):
    (tmp_path / "words").write_text("books\n")
    russian, mixed = "Моя бабушка любит читать в саду", "Моя бабушка любит читать books в саду"
    english = "My grandmother likes to read in the garden"
    answers = {"one": [russian, mixed, english, "Да"], "two": [english]}
    lines = [f"m,{text},monolingual,{source},ru" for source, texts in answers.items() for text in texts]
    (tmp_path / "m.csv").write_text("\n".join(["model,completion,task,source,language", *lines]), encoding="utf-8")
    ((cell, rates),) = bench_language_confusion.our_rates(tmp_path, tmp_path / "m.csv", tmp_path).items()
    assert cell == ("m", "monolingual", "ru")
    assert rates == pytest.approx({"LPR": (200 / 3 + 0) / 2, "WPR": (50 + 100) / 2})


def test_a_table_of_language_confusion_has_the_mean_difference_and_the_largest():
    pair = bench_language_confusion.Pair
    assert bench_language_confusion.columns([pair(50.0, 51.0), pair(60.0, 57.0)]) == ["55.0", "54.0", "-1.0", "-3.0"]
    assert bench_language_confusion.columns([pair(50.0, 49.98)]) == ["50.0", "50.0", "+0.0", "+0.0"]
    assert bench_language_confusion.columns([]) == ["–"] * 4

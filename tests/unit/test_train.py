"""Training: equal set-ups give equal bytes, the best checkpoint is kept and read back, bad input gives one line.

That ranks and micro-batches do not change the steps is tested in test_invariants.py; that interruptions do not, in
tests/faults.
"""

import gc
import json
import math
import os
import shutil
import subprocess
import sys
import weakref
from argparse import Namespace
from pathlib import Path

import polars as pl
import pytest
import torch

import tiny
import train
from basics.errors import InputError
from basics.reading import read_json
from models.language_models import load_model
from training import checkpoints, saving
from training.examples import NO_LABEL, Examples, collate, load_tokens
from training.instruments import Curve
from training.step_trainer import step_loss
from training.steps import FILLER, StepSampler
from trainings import LORA, Training, make_house, settings, trajectory, tune, weights


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    return make_house(tmp_path_factory.mktemp("house"))


def attempt(training: Training, **changed) -> InputError:
    """The one line with which a training in this process is refused."""
    with pytest.raises(InputError) as error:
        tune(training, **changed)
    assert "\n" not in str(error.value)
    assert not training.output.exists()
    return error.value


def test_checkpoints_of_other_settings_are_not_resumed(house, tmp_path):
    output = tmp_path / "model"
    stale = Training(house, output).checkpoints / "checkpoint-4"
    stale.mkdir(parents=True)
    (stale / checkpoints.WHOLE).touch()
    (stale.parent / "run.json").write_text('"of other settings"')
    assert tune(Training(house, output))["resumed_from_step"] is None


def test_the_same_training_gives_the_same_bytes(house, tmp_path):
    for method in ("lora", "full"):
        for name in ("one", "other"):
            tune(Training(house, tmp_path / method / name, method, "llama"))
        one, other = (tmp_path / method / name for name in ("one", "other"))
        names = sorted(path.name for path in one.iterdir() if path.name != "training.json")
        assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def validation_loss(model, house: Path) -> float:
    """Mean loss over the validation labels, row by row and without padding."""
    import torch

    total = labels = 0.0
    for row in load_tokens(house / "tokens")["validation"]:
        ids = torch.tensor([row["input_ids"]])
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, :-1]
        total += torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item()
        labels += len(row["input_ids"]) - 1
    return total / labels


@pytest.mark.parametrize(("method", "learning_rate"), [("lora", 50.0), ("full", 3.0)])
def test_what_is_saved_is_the_checkpoint_with_the_lowest_validation_loss(house, tmp_path, method, learning_rate):
    """The learning rate rises until it does harm."""
    output = tmp_path / "model"
    record = tune(Training(house, output, method), learning_rate=learning_rate, warmup=9, evaluate_every=1, epochs=3)
    curve = record["losses"]["validation"]
    assert record["best"]["step"] < record["final"]["step"] == 9
    assert record["best"]["validation_loss"] == min(loss for _, loss in curve)
    if method == "full":
        model = load_model(output, "fp32")
    else:
        from peft import PeftModel

        model = PeftModel.from_pretrained(load_model(house / "bloom", "fp32"), output)
    assert validation_loss(model.eval(), house) == pytest.approx(record["best"]["validation_loss"], abs=1e-5)


def test_the_output_has_safetensors_and_what_is_needed_to_use_them(house, tmp_path):
    output = tmp_path / "adapter"
    tune(Training(house, output, family="llama"))
    names = {path.name for path in output.iterdir()}
    beside = {"training.json", "README.md", "tokenizer.json", "tokenizer_config.json"}
    assert names == {"adapter_config.json", "adapter_model.safetensors", *beside}
    config = read_json(output / "adapter_config.json")
    assert (config["base_model_name_or_path"], config["revision"]) == (str(house / "llama"), None)
    assert config["target_modules"] == ["k_proj", "q_proj", "v_proj"]
    tune(Training(house, tmp_path / "full", "full", "llama"))
    names = {path.name for path in (tmp_path / "full").iterdir()}
    assert names == {"config.json", "generation_config.json", "model.safetensors", *beside}


def test_an_adapter_that_lacks_something_or_has_not_learned_is_refused(house, tmp_path):
    from safetensors.torch import load_file, save_file

    output = tmp_path / "adapter"
    trained = tune(Training(house, output))["trained_parameters"]
    saving.check_saved_adapter(output, trained)
    with pytest.raises(InputError, match=f"holds {trained:,} parameters, but {trained + 1:,} were trained"):
        saving.check_saved_adapter(output, trained + 1)
    tensors = load_file(output / "adapter_model.safetensors")
    name = next(name for name in tensors if "lora_B" in name)
    save_file({**tensors, name: tensors[name] * 0}, output / "adapter_model.safetensors")
    with pytest.raises(InputError, match=f"training left {name} at zero"):
        saving.check_saved_adapter(output, trained)


def test_training_json_says_what_the_training_cost(house, tmp_path):
    record = tune(Training(house, tmp_path / "model"))
    assert record["flops"] == (4 * record["parameters"] + 2 * record["trained_parameters"]) * record["tokens"]
    assert record["tokens_per_second"] > 0 and record["peak_memory"] > 1e7
    assert record["device"] == "cpu" and record["mfu"] is None


def test_training_json_counts_what_was_trained_on(house, tmp_path):
    record = tune(Training(house, tmp_path / "model"))
    lengths = load_tokens(house / "tokens")["train"]["length"]
    assert record["examples"] == 2 * 22
    assert record["tokens"] == 2 * sum(lengths) <= record["padded_tokens"]
    assert record["trained_parameters"] == 2 * 4 * (32 + 96)  # two layers, rank 4, a projection from 32 to 3 × 32
    assert set(record["inputs"]["weights"]) == {"config.json", "model.safetensors"}
    assert len(record["losses"]["train"]) == 6


def test_only_the_response_has_labels_and_padding_never_does(house):
    rows = load_tokens(house / "tokens")["train"]
    responses = Examples(rows, "response")
    batch = collate([responses[0], responses[1], responses[FILLER]])
    for number, row in enumerate(rows.select([0, 1])):
        labels = batch["labels"][number].tolist()
        assert labels[: row["prompt_length"]] == [NO_LABEL] * row["prompt_length"]
        assert labels[row["prompt_length"] : row["length"]] == row["input_ids"][row["prompt_length"] :]
        assert set(labels[row["length"] :]) <= {NO_LABEL}
    assert set(batch["labels"][2].tolist()) == {NO_LABEL}
    whole = Examples(rows, "all")[0][2]
    assert whole[0] == NO_LABEL and whole[1:] == rows[0]["input_ids"][1:]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"micro_batch_tokens": 0}, "micro_batch_tokens is 0; it must be at least 1"),
        ({"loss_on": "answer"}, "loss_on is 'answer'"),
        ({"loss_mean": 0}, "loss_mean is 0; it must be at least 1"),
        ({"loss_mean": "labels"}, "loss_mean is 'labels'; it must be at least 1"),
        ({"order": "length"}, "order is 'length'"),
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"zero_stage": 2}, "zero_stage is for the method full"),
        ({"offload": "optimizer"}, "offload is for the method full"),
        ({"activations": "drop"}, "activations is 'drop'"),
        ({"validation": "some"}, "validation is 'some'"),
        ({"lora": None}, "lora must hold rank, alpha and dropout"),
        ({"learning_rate": 1e30}, "the loss is nan"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(house, tmp_path, changed, complaint):
    assert complaint in str(attempt(Training(house, tmp_path / "model"), **changed))


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"offload": "optimizer"}, "settings: offload needs zero_stage"),
        ({"offload": "all", "zero_stage": 2}, "settings: offload all needs zero_stage 3"),
    ],
)
def test_only_what_zero_shards_can_be_offloaded(house, tmp_path, changed, complaint):
    assert complaint in str(attempt(Training(house, tmp_path / "model", "full"), **changed))


def poisoned(house: Path, folder: Path) -> tuple[Namespace, int, str]:
    """A training whose model has NaN weights for one token, which occurs in one row; the step and name of that row."""
    import torch

    unused, step = 5, 2
    model = load_model(house / "llama", "fp32")
    with torch.no_grad():
        model.get_input_embeddings().weight[unused] = math.nan
    model.save_pretrained(folder / "llama")
    splits = load_tokens(house / "tokens")
    *_, drawn = list(StepSampler(splits["train"]["length"], 8, 600, seed=3).epoch_steps(0))[:step]
    place = drawn[-1][-1]
    splits["train"] = splits["train"].map(
        lambda row, at: {"input_ids": [*row["input_ids"][:-1], unused] if at == place else row["input_ids"]},
        with_indices=True,
    )
    splits.save_to_disk(folder / "tokens")
    row = splits["train"][place]
    asked = Training(house, folder / "model", family="llama").arguments(
        model=folder / "llama", tokens=folder / "tokens"
    )
    return asked, step, f"{row['id']} ({row['lang']})"


def test_a_loss_that_is_not_finite_names_step_and_rows_and_leaves_the_last_good_checkpoint(house, tmp_path):
    asked, step, row = poisoned(house, tmp_path)
    with pytest.raises(InputError) as error:
        train.train(asked, train.Settings(**settings(evaluate_every=1, micro_batch_tokens=60, loss_on="all")))
    assert str(error.value).startswith(f"step {step}: the loss is nan, on rows ")
    assert row in str(error.value)
    last = asked.checkpoints / f"checkpoint-{step - 1}"
    assert f"the last checkpoint, {last}, is intact" in str(error.value)
    assert checkpoints.is_whole(last)
    assert not asked.output.exists()


def test_a_missing_or_torn_weights_file_is_named(house, tmp_path):
    model = load_model(house / "llama", "fp32")
    model.save_pretrained(tmp_path / "sharded", max_shard_size="30KB")
    first, *_, last = sorted((tmp_path / "sharded").glob("*.safetensors"))
    asked = Training(house, tmp_path / "model", "full", "llama").arguments(model=tmp_path / "sharded")
    os.truncate(last, last.stat().st_size - 1)
    with pytest.raises(InputError, match=f"{last.name}: not a safetensors file, or cut short"):
        train.train(asked, train.Settings(**settings("full")))
    first.unlink()
    with pytest.raises(InputError, match=f"weights files are missing, the first is {first.name}"):
        train.train(asked, train.Settings(**settings("full")))


def test_weights_that_are_not_those_of_the_best_step_are_refused(house, tmp_path, monkeypatch):
    """As when the Trainer does not load the best checkpoint (huggingface/transformers #24096)."""
    from transformers import Trainer

    monkeypatch.setattr(Trainer, "_load_best_model", lambda self: None)
    training = Training(house, tmp_path / "model")
    complaint = str(attempt(training, learning_rate=50.0, warmup=9, evaluate_every=1, epochs=3))
    assert complaint.startswith("the weights as saved have a validation loss of ")


def test_recomputed_activations_change_no_byte(house, tmp_path, monkeypatch):
    from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXMLP

    calls, plain = dict.fromkeys(("keep", "recompute"), 0), GPTNeoXMLP.forward
    for activations in calls:

        def forward(self, states, activations=activations):
            calls[activations] += torch.is_grad_enabled()
            return plain(self, states)

        monkeypatch.setattr(GPTNeoXMLP, "forward", forward)
        changed = {"activations": activations, "lora": LORA | {"dropout": 0.1}}
        tune(Training(house, tmp_path / activations, family="gpt_neox"), **changed)
    assert calls["recompute"] == 2 * calls["keep"] > 0
    assert weights(tmp_path / "keep") == weights(tmp_path / "recompute")


@pytest.mark.parametrize("method", ["lora", "full"])
def test_in_bf16_the_losses_are_those_of_fp32_within_its_precision(house, tmp_path, method):
    changed = {"learning_rate": 1e-3}
    exact = tune(Training(house, tmp_path / "fp32", method), **changed)
    record = tune(Training(house, tmp_path / "bf16", method), precision="bf16", **changed)
    assert trajectory(record) != trajectory(exact)
    assert trajectory(record) == pytest.approx(trajectory(exact), rel=2e-2)


def test_a_training_releases_its_memory_before_its_output_is_read_again(house, tmp_path, monkeypatch):
    """Otherwise a GPU would hold the model twice, and its optimizer as well."""
    held, plain = [], train.training.release_memory

    def release(trainer):
        held.extend(weakref.ref(one) for one in (trainer.model, trainer.optimizer.optimizer))
        plain(trainer)

    def reloaded_loss(*arguments):
        gc.collect()
        assert len(held) == 2 and not any(one() for one in held)
        return measured(*arguments)

    measured = train.reloaded_loss
    monkeypatch.setattr(train.training, "release_memory", release)
    monkeypatch.setattr(train, "reloaded_loss", reloaded_loss)
    tune(Training(house, tmp_path / "model", "full"))


def test_the_mean_of_the_losses_and_the_order_are_part_of_a_trainings_identity(house, tmp_path):
    changes: list[dict] = [{}, {"loss_mean": 2}, {"order": "by-length"}]
    records = [tune(Training(house, tmp_path / str(place)), **change) for place, change in enumerate(changes)]
    assert len({record["identity"] for record in records}) == len(changes)
    assert len({tuple(trajectory(record)) for record in records}) == len(changes)


@pytest.mark.parametrize(("validation", "rows"), [("none", 22), ("nothing-held-out", 22 + 5)])
def test_without_validation_the_last_weights_are_kept(house, tmp_path, validation, rows):
    record = tune(Training(house, tmp_path / "model", "full"), validation=validation, evaluate_every=1)
    assert record["examples"] == 2 * rows
    assert [step for step, _ in record["losses"]["validation"]] == [record["steps"]]
    assert record["reloaded"]["validation_loss"] == pytest.approx(record["final"]["validation_loss"], rel=1e-5)


def test_the_losses_can_be_followed_in_a_file(house, tmp_path):
    training = Training(house, tmp_path / "model")
    curve = tmp_path / "logs" / "curve.csv"
    train.train(training.arguments(curve=curve), train.Settings(**settings(evaluate_every=3)))
    rows = pl.read_csv(curve)
    assert rows["step"].to_list() == [1, 2, 3, 3, 4, 5, 6, 6]
    record = read_json(training.output / "training.json")
    assert rows["loss"].drop_nulls().to_list() == [loss for _, loss in record["losses"]["train"]]
    assert rows["validation_loss"].drop_nulls().to_list() == [loss for _, loss in record["losses"]["validation"]]
    Curve(curve, from_step=3)
    assert pl.read_csv(curve)["step"].to_list() == [1, 2, 3, 3], "repeated steps are written again"


def test_another_architecture_needs_only_the_names_of_its_modules(house, tmp_path):
    model = tiny.model(tmp_path / "qwen2", "llama", house / "tokenizer", model_type="qwen2", num_key_value_heads=2)
    asked = Training(house, tmp_path / "model").arguments(model=model, adapter_modules=["q_proj", "o_proj"])
    assert train.train(asked, train.Settings(**settings())) == 0
    assert read_json(tmp_path / "model" / "adapter_config.json")["target_modules"] == ["o_proj", "q_proj"]


def test_the_micro_batch_is_the_one_that_was_found_or_set(tmp_path):
    found = tmp_path / "found.json"
    found.write_text('{"tokens": 1536}')
    wanted = train.Settings(**settings(micro_batch_tokens="auto"))
    assert train.resolve_micro_batch(wanted, found).micro_batch_tokens == 1536
    assert train.resolve_micro_batch(train.Settings(**settings()), found).micro_batch_tokens == 600
    with pytest.raises(InputError, match="micro_batch_tokens is auto; give --micro-batch"):
        train.resolve_micro_batch(wanted, None)


def test_zero_without_ranks_says_how_to_launch(house, tmp_path):
    assert "start it by launch.py" in str(attempt(Training(house, tmp_path / "model", "full"), zero_stage=2))


def test_an_unknown_adapter_module_is_named_with_the_known_ones(house, tmp_path):
    asked = Training(house, tmp_path / "model", family="llama").arguments(adapter_modules=["query_key_value"])
    with pytest.raises(InputError) as error:
        train.train(asked, train.Settings(**settings()))
    assert "no module 'query_key_value' to adapt" in str(error.value)
    assert "gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj" in str(error.value)


def test_pickled_weights_and_empty_data_are_refused(house, tmp_path):
    from datasets import DatasetDict, load_from_disk

    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").touch()
    with pytest.raises(InputError, match=r"pickled \(pytorch_model.bin\); only safetensors are read"):
        train.train(Training(house, tmp_path / "m").arguments(model=pickled), train.Settings(**settings()))

    splits = load_from_disk(str(house / "tokens"))
    DatasetDict(validation=splits["validation"]).save_to_disk(tmp_path / "half")
    with pytest.raises(InputError, match="no rows in train"):
        train.train(Training(house, tmp_path / "m").arguments(tokens=tmp_path / "half"), train.Settings(**settings()))
    with pytest.raises(InputError, match=r"not a tokenized recipe .*run tokenize_recipe.py again"):
        train.train(Training(house, tmp_path / "m").arguments(tokens=tmp_path), train.Settings(**settings()))


def test_code_that_comes_with_a_model_is_not_run_and_not_asked_about(house, tmp_path):
    shutil.copytree(house / "bloom", tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    (tmp_path / "model" / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(InputError, match="not a causal language model that Transformers can load") as error:
        load_model(tmp_path / "model", "fp32")
    assert "\n" not in str(error.value) and not (tmp_path / "ran").exists()


def test_rows_without_a_whole_prompt_teach_nothing_and_do_no_harm(house):
    rows = load_tokens(house / "tokens")["train"]
    cut = rows.map(
        lambda row: {"input_ids": row["input_ids"][:4], "prompt_length": 4, "length": 4}, keep_in_memory=True
    )
    with pytest.raises(
        InputError, match=r"no row has a token to learn with loss_on response; raise tokenize.max_length"
    ):
        Examples(cut, "response")
    import torch

    nothing = Namespace(loss=torch.tensor(0.0))
    assert step_loss(nothing, None, torch.tensor(0)).item() == 0


def test_on_the_command_line_a_fault_gives_one_line_and_help_appears_at_once(house, tmp_path):
    faulty = Training(house, tmp_path / "model").command(rows=3)
    run = subprocess.run(faulty, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("error: settings: the key 'rows' is unknown; the keys are batch,")
    assert run.stderr.count("\n") == 1
    helped = [sys.executable, "-X", "importtime", str(tiny.SCRIPTS / "train.py"), "--help"]
    run = subprocess.run(helped, capture_output=True, text=True, env=os.environ)
    assert "--adapter-modules" in run.stdout
    assert "torch" not in run.stderr, "help must not wait for the libraries"

"""Training: equal set-ups take equal steps, a killed run ends as an unbroken one, the best checkpoint is kept."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import checkpoints
import pytest
import tiny
import tokenize_recipe
import train
import trainer
import tuned_model
from examples import Examples, collate, load_tokens
from files import InputError, read_json
from labelled_loss import NO_LABEL
from language_models import load_model
from steps import FILLER

SETTINGS = {
    "batch": 8,
    "micro_batch_tokens": 600,
    "epochs": 2,
    "learning_rate": 1e-2,
    "warmup": 2,
    "schedule": "linear",
    "weight_decay": 0.0,
    "loss_on": "all",
    "evaluate_every": 100,
    "precision": "fp32",
    "seed": 3,
}
LORA = {"rank": 4, "alpha": 8, "dropout": 0.0}


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    """A folder with a tokenizer, a model of each family, and a tokenized recipe of 22 and 5 rows."""
    folder = tmp_path_factory.mktemp("house")
    tokenizer = tiny.tokenizer(folder / "tokenizer")
    for family in tiny.ARCHITECTURES:
        tiny.model(folder / family, family, tokenizer)
    recipe = tiny.recipe(folder / "recipe")
    command = f"x --recipe {recipe} --tokenizer {tokenizer} --template {tiny.template(folder)} --max-length 70"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*command.split(), "--output", str(folder / "tokens")])
        tokenize_recipe.main()
    return folder


def arguments(house: Path, output: Path, method: str = "lora", family: str = "bloom", **changed) -> argparse.Namespace:
    return argparse.Namespace(
        **{
            "method": method,
            "model": house / family,
            "tokens": house / "tokens",
            "adapter_modules": tiny.MODULES[family] if method == "lora" else [],
            "micro_batch": None,
            "checkpoints": output.with_name(f"{output.name}-checkpoints"),
            "curve": None,
            "output": output,
        }
        | changed
    )


def settings(method: str = "lora", **changed) -> dict:
    return SETTINGS | ({"lora": LORA} if method == "lora" else {}) | changed


def tune(house: Path, output: Path, method: str = "lora", family: str = "bloom", **changed) -> dict:
    """Train in this process and return training.json."""
    assert train.train(arguments(house, output, method, family), train.Settings(**settings(method, **changed))) == 0
    return read_json(output / "training.json")


def command(house: Path, output: Path, ranks: int, method: str, **changed) -> list[str]:
    """The command line of the same training in processes of its own."""
    asked = arguments(house, output, method)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    options = {"--method": method, "--model": asked.model, "--tokens": asked.tokens, "--output": output}
    options |= {"--settings": json.dumps(settings(method, **changed)), "--checkpoints": asked.checkpoints}
    flat = [str(part) for option in options.items() for part in option]
    script = str(tiny.SCRIPTS / "train.py")
    return [sys.executable, *launcher, script, *flat, "--adapter-modules", *asked.adapter_modules]


def weights(output: Path) -> bytes:
    (path,) = output.glob("*.safetensors")
    return path.read_bytes()


def trajectory(record: dict) -> list[float]:
    return [loss for curve in ("train", "validation") for _, loss in record["losses"][curve]]


@pytest.mark.parametrize("family", tiny.ARCHITECTURES)
@pytest.mark.parametrize("loss_on", ["all", "response"])
def test_accumulation_does_not_change_the_trajectory(house, tmp_path, family, loss_on):
    whole = tune(house, tmp_path / "whole", family=family, micro_batch_tokens=2000, loss_on=loss_on)
    parts = tune(house, tmp_path / "parts", family=family, micro_batch_tokens=120, loss_on=loss_on)
    assert whole["accumulation"] == 1 and parts["accumulation"] > 3
    assert whole["steps"] == parts["steps"] == 2 * 3  # 22 rows: two steps of 8, one of 6
    assert trajectory(parts) == pytest.approx(trajectory(whole), abs=1e-5)
    assert parts["padded_tokens"] < whole["padded_tokens"]


@pytest.mark.parametrize(("method", "zero_stage"), [("lora", None), ("full", 2)])
def test_two_ranks_take_the_steps_of_one(house, tmp_path, method, zero_stage):
    """In micro-batches of 150 tokens, which do not come out even."""
    alone = tune(house, tmp_path / "alone", method, micro_batch_tokens=150)
    two = command(house, tmp_path / "two", ranks=2, method=method, micro_batch_tokens=150, zero_stage=zero_stage)
    subprocess.run(two, check=True, capture_output=True, timeout=300)
    together = read_json(tmp_path / "two" / "training.json")
    assert together["ranks"] == 2 and 1 < together["accumulation"] < alone["accumulation"]
    assert trajectory(together) == pytest.approx(trajectory(alone), abs=1e-5)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 75), (signal.SIGUSR1, 75)]
)
def test_a_run_stopped_in_a_later_epoch_ends_with_the_same_bytes(house, tmp_path, number, status):
    changed = {"epochs": 30, "evaluate_every": 5, "micro_batch_tokens": 120, "lora": LORA | {"dropout": 0.1}}
    tune(house, tmp_path / "unbroken", **changed)
    output = tmp_path / "stopped"
    folder = arguments(house, output).checkpoints
    process = subprocess.Popen(command(house, output, ranks=1, method="lora", **changed), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    # Step 5 is in the second epoch of three steps each, and not at its beginning.
    while not (folder / "checkpoint-5" / checkpoints.WHOLE).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait() == status, "the run was over before it could be stopped"
    assert not output.exists()
    record = tune(house, output, **changed)
    assert record["resumed_from_step"] >= 5
    assert weights(output) == weights(tmp_path / "unbroken")
    assert trajectory(record) == trajectory(read_json(tmp_path / "unbroken" / "training.json"))
    assert not folder.exists()


def test_checkpoints_of_other_settings_are_not_gone_on_from(house, tmp_path):
    output = tmp_path / "model"
    stale = arguments(house, output).checkpoints / "checkpoint-4"
    stale.mkdir(parents=True)
    (stale / checkpoints.WHOLE).touch()
    (stale.parent / "run.json").write_text('"of other settings"')
    assert tune(house, output)["resumed_from_step"] is None


def test_the_same_training_gives_the_same_bytes(house, tmp_path):
    for method in ("lora", "full"):
        for name in ("one", "other"):
            tune(house, tmp_path / method / name, method, family="llama")
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


@pytest.mark.parametrize(("method", "learning_rate"), [("lora", 100.0), ("full", 3.0)])
def test_what_is_saved_is_the_checkpoint_with_the_least_validation_loss(house, tmp_path, method, learning_rate):
    """The learning rate rises until it does harm."""
    output = tmp_path / "model"
    record = tune(house, output, method, learning_rate=learning_rate, warmup=9, evaluate_every=1, epochs=3)
    curve = record["losses"]["validation"]
    assert record["best"]["step"] < record["final"]["step"] == 9
    assert record["best"]["validation_loss"] == min(loss for _, loss in curve)
    if method == "full":
        model = load_model(output, "fp32")
    else:
        from peft import PeftModel

        model = PeftModel.from_pretrained(load_model(house / "bloom", "fp32"), output)
    assert validation_loss(model.eval(), house) == pytest.approx(record["best"]["validation_loss"], abs=1e-5)


def test_the_output_holds_safetensors_and_no_path_of_this_machine(house, tmp_path):
    output = tmp_path / "adapter"
    tune(house, output, family="llama")
    names = {path.name for path in output.iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "training.json"}
    config = read_json(output / "adapter_config.json")
    assert config["base_model_name_or_path"] == "llama"
    assert config["target_modules"] == ["k_proj", "q_proj", "v_proj"]
    tune(house, tmp_path / "full", "full", family="llama")
    names = {path.name for path in (tmp_path / "full").iterdir()}
    assert names == {"config.json", "generation_config.json", "model.safetensors", "training.json"}


def test_an_adapter_that_lacks_something_or_has_not_learned_is_refused(house, tmp_path):
    from safetensors.torch import load_file, save_file

    output = tmp_path / "adapter"
    trained = tune(house, output)["trained_parameters"]
    tuned_model.check_adapter(output, trained)
    with pytest.raises(InputError, match=f"holds {trained:,} parameters and {trained + 1:,} were trained"):
        tuned_model.check_adapter(output, trained + 1)
    tensors = load_file(output / "adapter_model.safetensors")
    name = next(name for name in tensors if "lora_B" in name)
    save_file({**tensors, name: tensors[name] * 0}, output / "adapter_model.safetensors")
    with pytest.raises(InputError, match=f"training left {name} at zero"):
        tuned_model.check_adapter(output, trained)


def test_training_json_says_what_it_took(house, tmp_path):
    record = tune(house, tmp_path / "model")
    assert record["flops"] == (4 * record["parameters"] + 2 * record["trained_parameters"]) * record["tokens"]
    assert record["tokens_per_second"] > 0 and record["peak_memory"] > 1e7
    assert record["device"] == "cpu" and record["mfu"] is None


def test_training_json_counts_what_was_trained_on(house, tmp_path):
    record = tune(house, tmp_path / "model")
    lengths = load_tokens(house / "tokens")["train"]["length"]
    assert record["examples"] == 2 * 22
    assert record["tokens"] == 2 * sum(lengths) <= record["padded_tokens"]
    assert record["trained_parameters"] == 2 * 4 * (32 + 96)  # two layers, rank 4, a map of 32 to 3 × 32
    assert set(record["inputs"]["weights"]) == {"config.json", "model.safetensors"}
    assert len(record["losses"]["train"]) == 6


def test_only_the_response_has_labels_and_padding_never_has(house):
    rows = load_tokens(house / "tokens")["train"]
    responses = Examples(rows, "response")
    batch = collate([responses[0], responses[1], responses[FILLER]])
    for number, row in enumerate(rows.select([0, 1])):
        labels = batch["labels"][number].tolist()
        assert labels[: row["prompt_length"]] == [NO_LABEL] * row["prompt_length"]
        assert labels[row["prompt_length"] : row["length"]] == row["input_ids"][row["prompt_length"] :]
        assert set(labels[row["length"] :]) <= {NO_LABEL}
        assert batch["attention_mask"][number].sum() == row["length"]
    assert set(batch["labels"][2].tolist()) == {NO_LABEL}
    whole = Examples(rows, "all")[0][2]
    assert whole[0] == NO_LABEL and whole[1:] == rows[0]["input_ids"][1:]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"micro_batch_tokens": 0}, "micro_batch_tokens is 0; it must be at least 1"),
        ({"loss_on": "answer"}, "loss_on is 'answer'"),
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"zero_stage": 2}, "zero_stage is for the method full"),
        ({"lora": None}, "lora must hold rank, alpha and dropout"),
        ({"learning_rate": 1e30}, "the loss is nan"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(house, tmp_path, changed, complaint):
    with pytest.raises(InputError) as error:
        tune(house, tmp_path / "model", **changed)
    assert complaint in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()


def test_zero_without_ranks_says_how_to_launch(house, tmp_path):
    with pytest.raises(InputError, match=r"start it by launch.py"):
        tune(house, tmp_path / "model", "full", zero_stage=2)


def test_an_adapter_module_that_is_not_there_is_named_with_those_that_are(house, tmp_path):
    asked = arguments(house, tmp_path / "model", family="llama", adapter_modules=["query_key_value"])
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
        train.train(arguments(house, tmp_path / "m", model=pickled), train.Settings(**settings()))

    splits = load_from_disk(str(house / "tokens"))
    DatasetDict(validation=splits["validation"]).save_to_disk(tmp_path / "half")
    with pytest.raises(InputError, match="no rows in train"):
        train.train(arguments(house, tmp_path / "m", tokens=tmp_path / "half"), train.Settings(**settings()))
    with pytest.raises(InputError, match=r"not a tokenized recipe .*run tokenize_recipe.py again"):
        train.train(arguments(house, tmp_path / "m", tokens=tmp_path), train.Settings(**settings()))


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

    nothing = argparse.Namespace(loss=torch.tensor(0.0))
    assert trainer.step_loss(nothing, None, torch.tensor(0)).item() == 0


def test_on_the_command_line_a_fault_is_one_line_and_help_is_at_hand(house, tmp_path):
    faulty = command(house, tmp_path / "model", ranks=1, method="lora", rows=3)
    run = subprocess.run(faulty, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("error: settings: the key 'rows' is unknown; the keys are batch,")
    assert run.stderr.count("\n") == 1
    helped = [sys.executable, "-X", "importtime", str(tiny.SCRIPTS / "train.py"), "--help"]
    run = subprocess.run(helped, capture_output=True, text=True, env=os.environ)
    assert "--adapter-modules" in run.stdout
    assert "torch" not in run.stderr, "help must not wait for the libraries"

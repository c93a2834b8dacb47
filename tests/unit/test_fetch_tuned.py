"""A released model stands in for a trained one only if it fits its base, is whole, and is the one that was pinned."""

import inspect
import json
import re
import shutil
import subprocess
import sys

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

import fetch_tuned
import hub
import tiny
from basics.errors import InputError
from basics.hashing import sha256
from basics.reading import read_json
from loopback import serving
from models import language_models
from models.tuned import load_tuned

ADAPTER, FULL, LEGACY = "authors/sft-lora-es-tiny", "authors/sft-fpft-es-tiny", "authors/legacy"
MODULES = {"bloom": ["query_key_value"], "llama": ["q_proj", "k_proj", "v_proj"]}


def adapter(folder, base, modules, named="bigscience/tiny", rank=2):
    """An adapter as it is after some training: lora_B is not zero."""
    config = LoraConfig(r=rank, target_modules=modules, init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(language_models.load_model(base, "fp32"), config).save_pretrained(folder)
    config = read_json(folder / "adapter_config.json") | {"base_model_name_or_path": named}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Bases and what was tuned from them, laid out as the hub that the tests ask."""
    folder = tmp_path_factory.mktemp("house")
    tokenizer = tiny.tokenizer(folder / "tokenizer")
    for family in MODULES:
        tiny.model(folder / family, family, tokenizer)
        adapter(folder / f"{family}-adapter", folder / family, MODULES[family])
    adapter(folder / ADAPTER, folder / "bloom", MODULES["bloom"])
    tiny.model(folder / FULL, "bloom", tokenizer, seed=2)
    (folder / LEGACY).mkdir(parents=True)
    (folder / LEGACY / "adapter_config.json").write_text("{}")
    (folder / LEGACY / "adapter_model.bin").write_bytes(b"pickled")
    return folder


def take(house, output, path, method="lora", family="bloom", **more):
    """Take a model from a folder, in this process; the options are those of the program."""
    options = {"--method": method, "--path": path, "--base": house / family, "--output": output, **more}
    flat = [str(part) for option in options.items() for part in option]
    with pytest.MonkeyPatch.context() as patch:
        modules = ["--adapter-modules", *MODULES[family]] if method == "lora" else []
        patch.setattr(sys, "argv", ["fetch_tuned.py", *flat, *modules])
        fetch_tuned.main()
    return output


def changed(house, tmp_path, name="bloom-adapter", **keys):
    """A copy of an adapter with other keys in its configuration."""
    folder = shutil.copytree(house / name, tmp_path / "changed")
    config = read_json(folder / "adapter_config.json") | keys
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("family", MODULES)
def test_an_adapter_on_this_machine_answers_as_a_trained_one_does(house, tmp_path, family):
    output = take(house, tmp_path / "out", house / f"{family}-adapter", family=family)
    base, ids = house / family, torch.tensor([[7, 8, 9]])
    with torch.no_grad():
        adapted, plain = (
            model(input_ids=ids).logits
            for model in (
                load_tuned("lora", base, output, "fp32"),
                language_models.load_model(base, "fp32").eval(),
            )
        )
    assert not torch.allclose(adapted, plain)


def test_a_full_model_on_this_machine_is_taken_with_its_hashes(house, tmp_path):
    output = take(house, tmp_path / "out", house / FULL, method="full")
    record = read_json(output / "source.json")
    assert record["path"] == str(house / FULL)
    assert record["sha256"]["model.safetensors"] == sha256(house / FULL / "model.safetensors")
    assert load_tuned("full", house / "bloom", output, "fp32").config.model_type == "bloom"


def test_only_the_files_of_the_model_are_taken(house, tmp_path):
    output = take(house, tmp_path / "out", house / "bloom-adapter")
    names = {path.name for path in output.iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "source.json"}


def test_the_tokenizer_of_the_base_lies_beside_the_weights(house, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options = {"--tokenizer": house / "tokenizer"}
    output = take(house, tmp_path / "out", house / FULL, method="full", **options)
    assert AutoModelForCausalLM.from_pretrained(output).config.model_type == "bloom"
    ids = AutoTokenizer.from_pretrained(output)("What is a lamp?").input_ids
    assert ids == tiny.Tokenizer(house / "tokenizer").encode_prompt("What is a lamp?")
    assert "tokenizer.json" not in read_json(output / "source.json")["sha256"], "it is not of that origin"


def zeros(weights):
    return {name: tensor * ("lora_A" in name) for name, tensor in weights.items()}


def one_layer(weights):
    return {name: tensor for name, tensor in weights.items() if ".h.0." in name}


def other_rank(weights):
    return {name: tensor[:1] if "lora_A" in name else tensor[:, :1].contiguous() for name, tensor in weights.items()}


def infinite(weights):
    return {name: tensor / 0 for name, tensor in weights.items()}


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (zeros, "every lora_B is zero"),
        (one_layer, "1.self_attention.query_key_value.lora_A is none, not 2 x 32"),
        (other_rank, "lora_A is 1 x 32, not 2 x 32"),
        (infinite, "not finite"),
    ],
)
def test_an_adapter_that_cannot_be_one_of_this_base_is_refused(house, tmp_path, damage, named):
    folder = changed(house, tmp_path)
    weights = folder / "adapter_model.safetensors"
    save_file(damage(load_file(weights)), weights)
    with pytest.raises(InputError, match=named):
        take(house, tmp_path / "out", folder)
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_other_modules_is_refused(house, tmp_path):
    folder = adapter(tmp_path / "other", house / "llama", ["q_proj", "v_proj"])
    with pytest.raises(InputError, match=r"adapts q_proj, v_proj, and the config's family k_proj, q_proj, v_proj"):
        take(house, tmp_path / "out", folder, family="llama")


def test_an_adapter_of_another_kind_is_refused(house, tmp_path):
    with pytest.raises(InputError, match="is not one of LoRA"):
        take(house, tmp_path / "out", changed(house, tmp_path, peft_type="PROMPT_TUNING"))


@pytest.mark.parametrize(("base_repo", "warned"), [("bigscience/tiny", False), ("bigscience/other", True)])
def test_an_adapter_that_names_another_base_is_taken_with_a_warning(house, tmp_path, capsys, base_repo, warned):
    take(house, tmp_path / "out", house / "bloom-adapter", **{"--base-repo": base_repo})
    errors = capsys.readouterr().err
    assert ("warning: " in errors) == warned
    assert not warned or "names bigscience/tiny as its base, not bigscience/other" in errors


def test_a_full_model_of_another_architecture_is_refused(house, tmp_path):
    with pytest.raises(InputError, match=r"is a llama, and the base in .* a bloom"):
        take(house, tmp_path / "out", house / "llama", method="full")


def test_a_full_model_of_another_size_is_refused(house, tmp_path):
    folder = tmp_path / "wide"
    wide = tiny.ARCHITECTURES["bloom"] | {"hidden_size": 48}
    tiny.build_model(wide, tiny.Tokenizer(house / "tokenizer"), 1).save_pretrained(folder)
    with pytest.raises(InputError, match=r"does not fit the base in .*: 0\.\S+ is \d+ x \d+, not \d+ x \d+"):
        take(house, tmp_path / "out", folder, method="full")


@pytest.mark.parametrize("damage", [lambda whole: whole[:-1], lambda whole: whole[:4], lambda whole: b"x" * len(whole)])
def test_weights_that_are_not_whole_are_named(house, tmp_path, damage):
    folder = shutil.copytree(house / FULL, tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(damage(weights.read_bytes()))
    with pytest.raises(InputError, match=r"model\.safetensors: not a safetensors file, or cut short"):
        take(house, tmp_path / "out", folder, method="full")


def test_pickled_weights_on_this_machine_are_named_with_what_to_do(house, tmp_path):
    with pytest.raises(InputError, match=r"pickled \(adapter_model\.bin\).*config/README\.md"):
        take(house, tmp_path / "out", house / LEGACY)


def documented(number: int) -> str:
    """A block of the program that config/README.md gives for converting pickled weights."""
    text = (tiny.REPOSITORY / "config" / "README.md").read_text(encoding="utf-8")
    section = text.partition("### Pickled weights")[2].partition("\n## ")[0]
    return [inspect.cleandoc(block) for block in re.findall(r"(?:^    .*\n)+", section, flags=re.MULTILINE)][number]


def test_an_adapter_converted_as_documented_is_taken(house, tmp_path):
    folder = shutil.copytree(house / "bloom-adapter", tmp_path / "es")
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()
    subprocess.run([sys.executable, "-c", documented(0)], cwd=tmp_path, check=True)
    output = take(house, tmp_path / "out", folder)
    wanted, taken = (load_file(path / "adapter_model.safetensors") for path in (house / "bloom-adapter", output))
    assert wanted.keys() == taken.keys() and all(wanted[name].equal(taken[name]) for name in wanted)


def test_a_full_model_converted_as_documented_is_taken(house, tmp_path):
    folder = shutil.copytree(house / FULL, tmp_path / "fetched")
    torch.save(language_models.load_model(folder, "fp32").state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    subprocess.run([sys.executable, "-c", documented(1)], cwd=tmp_path, check=True)
    output = take(house, tmp_path / "out", tmp_path / "converted", method="full")
    ids = torch.tensor([[7, 8, 9]])
    with torch.no_grad():
        wanted, taken = (
            load_tuned("full", house / "bloom", path, "fp32")(input_ids=ids).logits for path in (house / FULL, output)
        )
    assert torch.equal(wanted, taken)


def test_a_folder_that_is_not_there_is_named(house, tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder"):
        take(house, tmp_path / "out", tmp_path / "nowhere")


# ---- from the hub, in processes of their own


def fetch(server, tmp_path, house, repo, method, *more):
    options = ["--method", method, "--repo", repo, "--base", house / "bloom", "--output", tmp_path / "out", *more]
    return hub.run(server, tmp_path / "home", "fetch_tuned.py", *options)


@pytest.mark.parametrize(
    ("repo", "method", "weights"),
    [(ADAPTER, "lora", "adapter_model.safetensors"), (FULL, "full", "model.safetensors")],
)
def test_a_released_model_is_fetched_with_its_pin(house, tmp_path, repo, method, weights):
    digest = sha256(house / repo / weights)
    modules = ["--adapter-modules", "query_key_value"] if method == "lora" else []
    pins = ["--revision", hub.commit_of(repo), "--sha256", f"{weights}={digest}"]
    with serving(house, hub.HubHandler) as server:
        result = fetch(server, tmp_path, house, repo, method, *pins, *modules)
    assert result.returncode == 0, result.stderr
    record = read_json(tmp_path / "out" / "source.json")
    assert (record["repo"], record["revision"]) == (repo, hub.commit_of(repo))
    assert record["sha256"][weights] == digest
    assert (tmp_path / "out" / weights).read_bytes() == (house / repo / weights).read_bytes()


def test_another_file_than_the_pinned_one_leaves_nothing(house, tmp_path):
    with serving(house, hub.HubHandler) as server:
        result = fetch(server, tmp_path, house, FULL, "full", "--sha256", f"model.safetensors={'0' * 64}")
    assert result.returncode == 1
    assert sha256(house / FULL / "model.safetensors") in result.stderr and "0" * 64 in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_released_adapter_with_pickled_weights_alone_is_refused(house, tmp_path):
    with serving(house, hub.HubHandler) as server:
        result = fetch(server, tmp_path, house, LEGACY, "lora", "--adapter-modules", "query_key_value")
    assert result.returncode == 1
    assert "no adapter_model.safetensors: its weights are pickled (adapter_model.bin)" in result.stderr

"""A model's folder can be loaded in one line, without this repository, and says what the model is."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer

import hub
import tiny
from basics.errors import InputError
from basics.reading import read_json
from data.template import Template
from loopback import serving
from models.sharing import Companions, chat_template
from models.tokenizer import Tokenizer
from models.tuned import load_tuned
from trainings import Training, make_house, tune

LOADERS = {"lora": AutoPeftModelForCausalLM, "full": AutoModelForCausalLM, "merged": AutoModelForCausalLM}
HARD = "  Qué es\n\n\tun gato?  котка 什么 🐈 x=1 </s>\n"
REPO = "authors/tiny-bloom"


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    return make_house(tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="module", params=["bloom", "llama"])
def folders(request, house, tmp_path_factory) -> dict[str, Path]:
    """A tuned model of each kind, by method, in one of two families."""
    made = tmp_path_factory.mktemp(request.param)
    for method in ("lora", "full"):
        tune(Training(house, made / method, method, request.param))
    merge(house / request.param, made / "lora", made / "merged")
    return {kind: made / kind for kind in LOADERS} | {"base": house / request.param}


def merge(base: Path, adapter: Path, output: Path) -> None:
    options = ["--base", base, "--adapter", adapter, "--precision", "fp32", "--output", output]
    subprocess.run([sys.executable, tiny.SCRIPTS / "merge_adapter.py", *options], check=True, capture_output=True)


def logits(model):
    with torch.inference_mode():
        return model.eval()(torch.tensor([[7, 8, 9, 10]])).logits


@pytest.mark.parametrize("kind", LOADERS)
def test_one_line_loads_each_kind_of_folder(folders, kind):
    model = LOADERS[kind].from_pretrained(folders[kind])
    ours = load_tuned("lora" if kind == "lora" else "full", folders["base"], folders[kind], "fp32")
    assert torch.equal(logits(model), logits(ours))
    base = AutoModelForCausalLM.from_pretrained(folders["base"])
    assert not torch.allclose(logits(model), logits(base), atol=1e-3), "more than the base was loaded"


def test_transformers_alone_finds_the_base_of_an_adapter(folders):
    assert torch.equal(
        logits(AutoModelForCausalLM.from_pretrained(folders["lora"])),
        logits(AutoPeftModelForCausalLM.from_pretrained(folders["lora"])),
    )


@pytest.mark.parametrize("kind", LOADERS)
def test_the_tokenizer_beside_the_weights_is_that_of_training(house, folders, kind):
    tokenizer, ours = AutoTokenizer.from_pretrained(folders[kind]), Tokenizer(house / "tokenizer")
    assert tokenizer(HARD).input_ids == ours.encode_prompt(HARD)
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (ours.eos, ours.pad)
    asked = [{"role": "system", "content": "x"}, {"role": "user", "content": HARD}]
    prompt = Template(house / "template.json").prompt(HARD)
    assert tokenizer.apply_chat_template(asked, tokenize=False) == prompt
    assert tokenizer.apply_chat_template(asked).input_ids == ours.encode_prompt(prompt)


@pytest.mark.parametrize("kind", LOADERS)
def test_a_colleague_may_read_every_file(folders, kind):
    umask = os.umask(0)
    os.umask(umask)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folders[kind].iterdir()}
    assert len(modes) >= 5 and set(modes.values()) == {0o666 & ~umask}


@pytest.mark.parametrize("kind", LOADERS)
def test_the_card_says_what_the_model_is(folders, kind):
    card = ModelCard.load(folders[kind] / "README.md")
    record = read_json(folders["full" if kind == "full" else "lora"] / "training.json")
    assert card.data.language == ["en", "es"] and card.data.pipeline_tag == "text-generation"
    assert card.data.library_name == ("peft" if kind == "lora" else "transformers")
    assert card.data.base_model is None, "the hub refuses a path"
    assert ("lora" in card.data.tags) == (kind != "full")
    assert f"{LOADERS[kind].__name__}.from_pretrained" in card.text
    assert "| learning_rate | 0.01 |" in card.text and f"{record['best']['validation_loss']:.4f}" in card.text
    assert all(digest in card.text for digest in record["inputs"]["tokens"].values())
    assert str(folders["base"]) in card.text and "recipe `tokens`" in card.text
    assert ("Q: {instruction}" in card.text) == (kind != "merged")


# ---- a base from the hub


@pytest.fixture(scope="module")
def from_hub(house, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """An adapter for a base fetched from the hub, and the environment of a colleague who has fetched that base too."""
    folder = tmp_path_factory.mktemp("hub")
    shutil.copytree(house / "bloom", folder / "there" / REPO)
    with serving(folder / "there", hub.HubHandler) as server:
        options = ["model", "--repo", REPO, "--revision", "main", "--output", folder / "house" / "bloom"]
        assert hub.run(server, folder / "home", "fetch_model.py", *options).returncode == 0
        environment = hub.environment(server, folder / "colleague")
        fetch = f"import huggingface_hub as hub; hub.snapshot_download({REPO!r}, revision={hub.commit_of(REPO)!r})"
        subprocess.run([sys.executable, "-c", fetch], env=environment, check=True, capture_output=True)
    for name in ("tokenizer", "tokens", "template.json"):
        (folder / "house" / name).symlink_to(house / name)
    tune(Training(folder / "house", folder / "adapter"))
    shutil.move(folder / "house" / "bloom", folder / "gone")  # loading must not need the folder of the training
    return folder / "adapter", environment


def test_an_adapter_names_its_base_on_the_hub_and_the_commit(from_hub):
    config = read_json(from_hub[0] / "adapter_config.json")
    assert (config["base_model_name_or_path"], config["revision"]) == (REPO, hub.commit_of(REPO))
    card = ModelCard.load(from_hub[0] / "README.md")
    assert (card.data.base_model, card.data["base_model_relation"]) == (REPO, "adapter")
    assert f"`{REPO}` (revision `{hub.commit_of(REPO)}`), tuned with LoRA" in card.text


def test_one_line_loads_an_adapter_if_its_base_is_in_the_cache_of_the_hub(from_hub, tmp_path):
    adapter, environment = from_hub
    load = (
        "from peft import AutoPeftModelForCausalLM as Auto; import sys;"
        " print(type(Auto.from_pretrained(sys.argv[1]).get_base_model()).__name__)"
    )
    offline = environment | {"HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", load, str(adapter)]
    done = subprocess.run(command, env=offline, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["BloomForCausalLM"]


# ---- the tokenizer


def changed_tokenizer(house: Path, folder: Path, **settings: object) -> Path:
    shutil.copytree(house / "tokenizer", folder)
    (folder / "tokenizer_config.json").write_text(
        json.dumps(read_json(folder / "tokenizer_config.json") | settings), encoding="utf-8"
    )
    return folder


def test_a_tokenizer_is_saved_without_code_paths_or_another_prompt(house, tmp_path):
    other = {"auto_map": {"AutoTokenizer": ["x.py", None]}, "name_or_path": "/home/me", "chat_template": "<|user|>"}
    source = changed_tokenizer(
        house, tmp_path / "source", **other, tokenizer_class="LlamaTokenizer", model_max_length=9
    )
    (tmp_path / "out").mkdir()
    Companions(source).save_tokenizer(tmp_path / "out")
    assert read_json(tmp_path / "out" / "tokenizer_config.json") == {
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "model_max_length": 9,
        "model_input_names": ["input_ids", "attention_mask"],
        "tokenizer_class": "PreTrainedTokenizerFast",
    }


@pytest.mark.parametrize("eos", ["<eos>", "<s>"])  # in OPT, they are the same token
def test_a_chat_begins_with_the_token_that_begins_every_text(tmp_path, eos):
    tiny.tokenizer(tmp_path / "source", bos=True)
    settings = tmp_path / "source" / "tokenizer_config.json"
    settings.write_text(json.dumps(read_json(settings) | {"eos_token": eos}))
    ours = Tokenizer(tmp_path / "source")
    (tmp_path / "out").mkdir()
    Companions(tmp_path / "source", tiny.ALPACA).save_tokenizer(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "Hello."}]).input_ids
    assert ids == ours.encode_prompt(Template(tiny.ALPACA).prompt("Hello."))
    assert ids[0] == tokenizer.convert_tokens_to_ids("<s>") and tokenizer("Hello.").input_ids[0] == ids[0]


def test_a_tokenizer_that_cannot_reproduce_the_prompt_of_training_has_no_chat_template(tmp_path):
    """LLaMA's puts a space before a text, in some versions of its file only at the very beginning."""
    from tokenizers import Tokenizer as Fast
    from tokenizers import pre_tokenizers

    folder = tiny.tokenizer(tmp_path / "source", bos=True)
    definition = Fast.from_file(str(folder / "tokenizer.json"))
    space = pre_tokenizers.Metaspace(replacement="Ġ", prepend_scheme="first")
    definition.pre_tokenizer = pre_tokenizers.Sequence([space, definition.pre_tokenizer])
    definition.save(str(folder / "tokenizer.json"))
    assert chat_template(Template(tiny.ALPACA), folder) is None


# ---- mistakes


def test_what_is_saved_beside_the_weights_is_checked_before_the_training(house, tmp_path):
    training = Training(house, tmp_path / "out")
    for option, file in (("--tokenizer", "tokenizer"), ("--template", "template.json")):
        command = training.command()
        command[command.index(option) + 1] = str(tmp_path / "nowhere")
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert "nowhere" in done.stderr and not list(tmp_path.iterdir()), file


@pytest.mark.parametrize(
    ("record", "fault"),
    [("{", "not valid JSON"), ('{"repo": 1, "revision": "x"}', "'repo'"), ('{"repo": "x/y"}', "'revision'")],
)
def test_a_damaged_record_of_the_base_is_named(house, tmp_path, record, fault):
    shutil.copytree(house / "bloom", tmp_path / "house" / "bloom")
    (tmp_path / "house" / "bloom" / "source.json").write_text(record)
    for name in ("tokenizer", "tokens", "template.json"):
        (tmp_path / "house" / name).symlink_to(house / name)
    with pytest.raises(InputError, match=rf"bloom/source\.json: .*{fault}.*; fetch the model again"):
        tune(Training(tmp_path / "house", tmp_path / "out"))
    assert not list(tmp_path.glob("out*")), "no output and no checkpoints"

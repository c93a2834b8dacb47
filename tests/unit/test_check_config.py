"""A configuration is refused in one line that names the key and the remedy."""

import copy
import dataclasses
from pathlib import Path

import pytest
import yaml

import sentencepieces
from basics.errors import InputError
from judging.settings import JudgeSettings
from models.sentencepiece_models import convert
from study import checking, released
from study.configuration import SCHEMA, merge
from study.short_forms import expanded

CONFIG = Path(__file__).resolve().parents[2] / "config"


def load(*names: str) -> dict:
    config: dict = {}
    for name in names:
        merge(config, yaml.safe_load((CONFIG / name).read_text(encoding="utf-8")))
    return config


@pytest.mark.parametrize(
    "names",
    [["config.yaml"], ["config.yaml", "demo.yaml"]],
    ids=["paper", "demo"],
)
def test_every_shipped_configuration_is_valid(names, monkeypatch):
    monkeypatch.chdir(CONFIG.parent)
    checking.check_configuration(load(*names))


ROW = {"up_to": 13, "ranks": 8, "memory": "64GB", "runtime": "12h"}
FAULTS = {
    "an unknown key": ("respond.lora.beem", 4, "respond.lora.beem: unknown key; did you mean 'beams'?"),
    "an unquoted no": ("languages.unseen", ["bn", False], "languages.unseen[1]: YAML reads an unquoted no as false"),
    "a line end to some programs": (
        "claims",
        "a\x85b",
        "claims: 'a\\x85b' contains a character that cannot be written",
    ),
    "a line end in Unicode": ("note", "a\u2028b", "note: 'a\\u2028b' contains a character that cannot be written"),
    "an unknown model": ("select.bloom", ["bloom-176b"], "select.bloom[0]: 'bloom-176b' is not an entry of `models`"),
    "an unknown language": ("languages.unseen", ["xx"], "languages.unseen[0]: 'xx' is not in resources/languages.yaml"),
    "a recipe language without data": (
        "recipes.multilingual.languages",
        ["en", "bn"],
        "recipes.multilingual.languages[1]: 'bn' is not one of languages.train",
    ),
    "an unknown selection": ("figures.figure2.runs.lora", ["pythias"], "'pythias' is not an entry of `select`"),
    "an unknown recipe to repeat": (
        "seeds.recipes",
        ["mono-bn"],
        "seeds.recipes[0]: 'mono-bn' is not an entry of `recipes` or a built-in one",
    ),
    "seeds without the study's own": ("seeds.values", [1, 2], "seeds.values: random_seed, 42, is not among them"),
    "seeds for no training": ("seeds.values", [42, 43], "seeds.runs: names no trainings to repeat"),
    "repeated trainings without a seed": ("seeds.runs", {"lora": ["bloom"]}, "seeds.values: no other seed"),
    "an unknown source": ("data.seed", "alpacka", "data.seed: 'alpacka' is not an entry of `sources`"),
    "a number that YAML reads as text": ("train.lora.learning_rate", "3e-4", "write 1.0e-5"),
    "a value of the wrong type": ("train.lora.epochs", 2.5, "train.lora.epochs: 2.5 is not of type 'integer'"),
    "a value out of range": ("score.missing", "skip", "score.missing: 'skip' is not one of"),
    "a model from nowhere": ("models.bloom-3b.repo", None, "models.bloom-3b"),
    "a model beyond every row of compute": ("models.bloom-3b.billions", 400.0, "compute: no row covers"),
    "LoRA on more GPUs than a node has": (
        "compute.lora",
        [ROW | {"ranks": 16}],
        "[0].ranks: LoRA runs on one node",
    ),
    "nodes that are not filled": ("compute.full", [ROW | {"ranks": 12}], "use a multiple of compute.node.gpus"),
    "more memory than a node has": ("compute.full", [ROW | {"memory": "900GB"}], "is more than compute.node.memory"),
    "a language that is both seen and unseen": ("languages.unseen", ["fr"], "'fr' is also in languages.train"),
    "a built-in recipe name": (
        "recipes.mono-xx",
        {"languages": ["en"], "rows": "all"},
        "recipes.mono-xx: names that begin with",
    ),
    "a flag that is none": (
        "recipe.drop_flags",
        ["copied", "langauge"],
        "recipe.drop_flags[1]: 'langauge' is not a flag of translated rows; there are pieced, ",
    ),
    "a flag that is none, in a recipe": (
        "recipes.downsampled.drop_flags",
        ["copyed"],
        "recipes.downsampled.drop_flags[0]: 'copyed' is not a flag",
    ),
    "an unknown source of translations": (
        "translation.source",
        "publisht",
        "translation.source: 'publisht' is not firefox, packed or an entry of `sources`; did you mean 'published'?",
    ),
    "one file of translations for all languages": (
        "translation.source",
        "alpaca-cleaned",
        "translation.source: sources.alpaca-cleaned has no file per language; put {lang} in its url or path",
    ),
    "translations of your own that are not there": (
        "translation.source",
        "my-data/{lang}.jsonl",
        "translation.source.es: my-data/es.jsonl does not exist",
    ),
    "a size of model that a language has not": (
        "translation.architecture",
        "tiny",
        "translation.architecture: there is no tiny model for zh, only base, base-memory; "
        "write { default: tiny, zh: base-memory }",
    ),
    "a size of model for a language that is not translated into": (
        "translation.architecture",
        {"default": "base-memory", "xx": "tiny"},
        "translation.architecture.xx: 'xx' is not a language of languages.train",
    ),
    "no size of model for the other languages": (
        "translation.architecture",
        {"zh": "base"},
        "translation.architecture.default: missing; Size of the models for all other languages",
    ),
    "a size of model that does not exist": ("translation.architecture", "huge", "translation.architecture: 'huge' is"),
    "a hash that is none": (
        "sources.published.git_blob.es",
        "12",
        "sources.published.git_blob.es: '12' does not match",
    ),
    "a language without a translation model": (
        "languages.train",
        "hi",
        "there is no Firefox model for 'hi', only for bg,",
    ),
    "a source of models that is none": ("train.source", "download", "train.source: 'download' is not"),
    "a source of models for one method alone": ("train.source", {"lora": "released"}, "train.source"),
    "released models that are pickled": (
        "train.source",
        "released",
        "train.source: pinzhenchen/sft-lora-multilingual-pythia-70m has only pickled weights, which are not loaded",
    ),
    "released models without a pin": (
        "train.source",
        {"lora": "trained", "full": "released"},
        "train.source: there is no pin for HPLT/sft-fpft-multilingual-bloom-560m; add its commit",
    ),
    "one repository for all models": (
        "released.full.repo",
        "authors/{recipe}",
        "released.full.repo: is the same for all runs",
    ),
    "one folder for all recipes": (
        "released.lora.path",
        "mine/{model}",
        "released.lora.path: is the same for all runs; put {r",
    ),
    "a folder without a model": (
        "released.lora.path",
        "mine/{model}/{recipe}",
        "released.lora.path: mine/pythia-70m/multilingual/adapter_config.json does not exist",
    ),
    "another name for a model that is not there": (
        "released.full.models",
        {"bloom-8b": "bloom"},
        "released.full.models: 'bloom-8b' is not an entry of `models`",
    ),
    "a template for one method alone": (
        "tokenize.template",
        {"lora": "resources/templates/alpaca.json"},
        "tokenize.template.full: missing; Template for full-parameter training.",
    ),
    "two templates of one name": (
        "tokenize.template",
        {"lora": "resources/templates/alpaca.json", "full": "mine/alpaca.json"},
        "tokenize.template: two files are called alpaca, so their tokens would share a folder; rename one",
    ),
    "a beam search by another engine": (
        "respond.full.serve",
        "vllm serve {model} --port {port}",
        "respond.full.beams: 4 is not for a model that is served; write 1",
    ),
    "a template to answer with that is not there": (
        "respond.full.template",
        "resources/templates/lama.json",
        "respond.full.template: resources/templates/lama.json does not exist",
    ),
    "a training on held-out rows that would burst the fixed budget": (
        "train.full.validation",
        "nothing-held-out",
        "train.full.validation: nothing-held-out trains on the held-out rows as well, and recipe.hold_out: ids",
    ),
    "a training that moves to the host what is on one GPU": (
        "compute.full",
        [ROW | {"offload": "optimizer"}],
        "config: compute.full[0].offload: needs zero_stage; only DeepSpeed moves its state to the host",
    ),
    "a training that moves more to the host than its stage divides": (
        "compute.full",
        [ROW, ROW | {"zero_stage": 2, "offload": "all"}],
        "config: compute.full[1].offload: all needs zero_stage 3; with 2 only the optimizer can be moved",
    ),
    "an adapter that is divided among ranks": (
        "compute.lora",
        [ROW | {"zero_stage": 2}],
        "config: compute.lora[0].zero_stage: is for the method full; LoRA trains few parameters, leave it out",
    ),
    "forks that would share a GPU": (
        "compute.start",
        "warm",
        "config: compute.start: warm is for the CPU, as forks cannot use a GPU; write cold",
    ),
    "an adapter that is moved to the host": (
        "compute.lora",
        [ROW | {"offload": "all"}],
        "config: compute.lora[0].offload: is for the method full; LoRA trains few parameters, leave it out",
    ),
    "a whole number with a point, which the program refuses": (
        "train.full.batch",
        64.0,
        "config: train.full.batch: is a number, not a whole number; change it",
    ),
    "a method's own beams for another engine": (
        "methods.mine",
        {"of": "full", "respond": {"serve": "vllm serve {model} --port {port}"}},
        "config: methods.mine.respond.beams: 4 is not for a model that is served; write 1",
    ),
    "a swept setting that its program refuses": (
        "methods.mine",
        {"of": "lora", "sweep": {"epochs": [2.0, 3.0]}},
        "config: methods.mine.train.epochs: is a number, not a whole number",
    ),
    "a command whose quote has no end": (
        "respond.lora.serve",
        "vllm 'serve",
        'config: respond.lora.serve: "vllm \'serve" is not a valid command (No closing quotation); correct its quotes',
    ),
    "a list of English words that is none": (
        "data.english_words",
        "unix-word",
        "config: data.english_words: 'unix-word' is not an entry of `sources` with a file: add it there, or give the"
        " path of a file; did you mean 'unix-words'?",
    ),
    "a list of English words that is not there": (
        "data.english_words",
        "mine/words",
        "config: data.english_words: mine/words does not exist; correct the path or put the file there",
    ),
    "a list of English words that holds something else": (
        "data.english_words",
        "docs/miniature.png",
        "docs/miniature.png: not UTF-8 (byte 0); save the file as UTF-8",
    ),
    "labels of an identifier that is none": (
        "sources.openlid.labels",
        "openlid-v4",
        "sources.openlid.labels: 'openlid-v4' is not one of openlid, glotlid, lid176, openlid-v2, openlid-v3, or the"
        " path of a table of your own; did you mean 'openlid-v3'?",
    ),
    "labels that are not there": (
        "sources.openlid.labels",
        "mine/labels.yaml",
        "sources.openlid.labels: mine/labels.yaml does not exist; correct the path or put the file there",
    ),
    "labels that are those of something else": (
        "sources.openlid.labels",
        "resources/claims.yaml",
        "resources/claims.yaml: ",
    ),
    "labels of an identifier that is trained here": (
        "sources.openlid",
        {"trained_on": "corpus", "labels": "lid176"},
        "sources.openlid.labels: an identifier trained on the corpus has OpenLID's labels; remove the key",
    ),
    "a way to normalise that is none": ("langid.normalise", "lower", "langid.normalise: 'lower' is not one of"),
    "a treatment of code that is none": ("langid.code", "remove", "langid.code: 'remove' is not one of"),
    "a sheet in a language that is not tested": (
        "rating_sheet.languages",
        ["en", "fi"],
        "rating_sheet.languages[1]: 'fi' is not a language that is tested: add it to languages.seen or",
    ),
    "two judges of one name": ("judges", "twice", "judges: two have the same name"),
}

JUDGE_FAULTS = {
    "a budget that cannot be reckoned": ({"budget": 5}, "judges[0].budget: needs price, US dollars"),
    "half a price": ({"price": {"prompt": 1}}, "judges[0].price.completion: missing; Price of replies."),
    "a limit that lets nothing through": ({"requests_per_minute": 0}, "judges[0].requests_per_minute: 0 is less than"),
    "GPUs for an endpoint elsewhere": ({"gpus": 1}, "judges[0].gpus: applies only to a judge with serve"),
    "memory for a job without GPUs": (
        {"memory": "64GB", "serve": "x"},
        "judges[0].memory: applies only to a judge with gpus",
    ),
    "an interface that is none": ({"api": "mail"}, "judges[0].api: 'mail' is not one of"),
    "a batch for a judge that its job serves": ({"api": "batch", "serve": "x"}, "judges[0].api: batch is for an"),
    "OpenAI's key over http": (
        {"base_url": "http://10.0.0.7/v1"},
        "judges[0]: base_url http://10.0.0.7/v1 is http: the",
    ),
    "a password in a URL": (
        {"base_url": "https://me:secret@host/v1"},
        "judges[0]: base_url has a user name or a password before its host; take it out",
    ),
    "a URL that is not valid": (
        {"base_url": "https://[x/v1"},
        "judges[0]: base_url 'https://[x/v1' is not a valid URL (Inv",
    ),
    "a port that is none": (
        {"base_url": "http://127.0.0.1:x/v1"},
        "judges[0]: base_url 'http://127.0.0.1:x/v1' is not a valid URL",
    ),
    "two places": ({"serve": "x", "base_url": "http://x/v1"}, "judges[0]: give exactly one of base_url or serve"),
}


def test_a_language_that_the_identifier_lacks_is_refused_before_any_job():
    config = load("config.yaml", "demo.yaml")
    config["sources"]["mine"] = {"path": "resources/languages.yaml", "labels": "lid176"}
    config["data"] |= {"identifier": "mine"}
    checking.check_configuration(config)
    config["languages"]["unseen"] = ["bn", "zu"]
    config["data"]["prompts"] = {"default": "demo-prompts", "zu": "resources/demo/prompts/en.jsonl"}
    with pytest.raises(InputError) as raised:
        checking.check_configuration(config)
    assert str(raised.value) == (
        "config: sources.mine.labels: resources/identifiers/lid176.yaml: has no labels for 'zu'; add them if the"
        " identifier knows this language, or use one that does"
    )


@pytest.mark.parametrize("known", [{}, {"sha256": {}}, {"sha256": {"en": "0" * 64}}])
def test_a_download_without_a_hash_is_refused(known):
    config = load("config.yaml")
    config["sources"]["openlid"] = {"url": config["sources"]["openlid"]["url"]} | known
    with pytest.raises(InputError, match=r"^config: sources.openlid.url: has no hash; download the file, inspect it"):
        checking.check_configuration(config)


def test_a_download_in_every_language_has_a_hash_in_every_language():
    config = load("config.yaml")
    config["sources"]["mine"] = {"url": "https://x/{lang}.jsonl", "sha256": {"en": "0" * 64}}
    config["data"]["prompts"] = "mine"
    with pytest.raises(InputError, match=r"^config: sources.mine.url: has no hash for 'es'; download the file"):
        checking.check_configuration(config)


@pytest.mark.parametrize("fault", JUDGE_FAULTS)
def test_a_fault_of_a_judge_names_its_key(fault):
    settings, expected = JUDGE_FAULTS[fault]
    judge = {"name": "n", "label": "l", "model": "m"} | settings
    config = load("config.yaml") | {"judges": [judge if "serve" in judge else {"base_url": "https://x/v1"} | judge]}
    with pytest.raises(InputError) as raised:
        checking.check_configuration(config)
    assert expected in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "judge",
    [
        {"base_url": "http://127.0.0.2:9/v1"},
        {"base_url": "http://[::1]/v1"},
        {"base_url": "http://localhost:9/v1"},
        {"base_url": "http://node7:8000/v1", "key_env": "NODE_KEY"},
    ],
)
def test_a_key_goes_over_http_to_this_machine_and_where_it_is_that_servers_own(judge):
    judge |= {"name": "n", "label": "l", "model": "m"}
    checking.check_configuration(load("config.yaml") | {"judges": [judge]})


def test_a_judge_may_say_all_that_is_described():
    judge = {"name": "n", "label": "l", "model": "m", "serve": "vllm serve x --port {port}"}
    judge |= {"temperature": 0.5, "max_tokens": 100, "seed": 1, "repeats": 3, "retries": 0, "concurrency": 64}
    judge |= {
        "requests_per_minute": 3000,
        "tokens_per_minute": 1.0e6,
        "timeout": 60,
        "patience": 60,
        "start_timeout": 900,
    }
    judge |= {"price": {"prompt": 0, "completion": 1.5}, "budget": 20, "api": "calls", "poll": 5}
    judge |= {"key_env": "A_KEY", "files": [], "gpus": 2, "memory": "64GB", "runtime": "12h"}
    judge |= {"system": "Be strict.", "length_limit": "max_completion_tokens", "reasoning_effort": "low"}
    judge |= {"reply_format": "pattern", "give_up_after": None, "extra_body": {"top_k": 1}}
    checking.check_configuration(load("config.yaml") | {"judges": [judge]})
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["properties"]["judges"]["items"]
    assert set(schema["properties"]) == {*judge, "base_url", "human", "sheet_key"}
    settings = {field.name for field in dataclasses.fields(JudgeSettings)}
    of_the_job = {"secrets"}  # which the rule adds
    of_no_call = {"label", "files", "gpus", "memory", "runtime", "human", "sheet_key"}
    assert settings - of_the_job == set(schema["properties"]) - of_no_call


PERSON = {"name": "ann", "label": "Ann", "human": "my/ann.csv", "sheet_key": "my/key.jsonl"}
PEOPLE_FAULTS = {
    "a key to nothing": ({"sheet_key": None}, "judges[1].human: goes with sheet_key; add that, or remove it"),
    "a person who is called as well": (
        {"base_url": "https://x/v1", "model": "m"},
        "judges[1]: give exactly one of base_url or serve or human",
    ),
    "a setting of a call": (
        {"repeats": 2},
        "judges[1].repeats: is for a judge that is asked, not for ratings by people; remove it",
    ),
    "a sheet that may be made again": (
        {"human": "results/paper/rating-sheet.csv"},
        "judges[1].human: results/paper/rating-sheet.csv may be made again; copy it to a folder of your own",
    ),
    "a sheet that is not there": ({}, "judges[1].human: my/ann.csv does not exist; correct the path or put the file"),
}


@pytest.mark.parametrize("fault", PEOPLE_FAULTS)
def test_a_fault_of_a_person_names_its_key(fault):
    settings, expected = PEOPLE_FAULTS[fault]
    person = {key: value for key, value in (PERSON | settings).items() if value is not None}
    config = load("config.yaml")
    config["judges"].append(person)
    with pytest.raises(InputError) as raised:
        checking.check_configuration(config)
    assert f"config: {expected}" in str(raised.value)


def test_people_alone_judge_no_study():
    with pytest.raises(InputError, match=r"^config: judges: people rate a sample, .*; add a judge that is asked$"):
        checking.check_configuration(load("config.yaml") | {"judges": [PERSON]})


def test_a_sheet_is_read_before_any_job(tmp_path):
    (tmp_path / "key.jsonl").write_text('{"sheet id": "1", "run": "a/b/c", "lang": "en", "id": "1", "digest": "x"}\n')
    (tmp_path / "ann.csv").write_text("sheet id,response,rating,comment\n2,Yes.,3,\n")
    config = load("config.yaml")
    config["judges"].append(PERSON | {"human": f"{tmp_path}/ann.csv", "sheet_key": f"{tmp_path}/key.jsonl"})
    with pytest.raises(InputError, match=r"ann.csv, row 2: the sheet id '2' is not in .*key.jsonl; give the key"):
        checking.check_configuration(config)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_that_names_the_key(fault):
    key, value, expected = FAULTS[fault]
    config = load("config.yaml")
    *path, last = key.split(".")
    place = config
    for step in path:
        place = place[step]
    if value == "hi":
        value = [*config["languages"]["train"], "hi"]
    if key.startswith("released."):
        config["train"]["source"] = {"lora": "trained", "full": "trained", path[1]: "released"}
    if value == "twice":
        value = [*config["judges"], copy.deepcopy(config["judges"][0])]
    place[last] = value
    if value is None:
        del place[last]
    with pytest.raises(InputError) as raised:
        checking.check_configuration(config)
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_identifier_that_is_trained_here_is_no_file_to_read_words_from():
    config = load("config.yaml", "demo.yaml")
    config["data"]["english_words"] = "demo-identifier"
    with pytest.raises(
        InputError, match=r"data.english_words: 'demo-identifier' is not an entry of `sources` with a file"
    ):
        checking.check_configuration(config)


def test_published_translations_need_a_hash_for_every_language_if_for_any():
    config = load("config.yaml")
    config["translation"]["source"] = "published"
    checking.check_configuration(config)
    config["languages"]["train"].append("hi")
    with pytest.raises(InputError, match=r"sources.published.git_blob: has none for 'hi' of languages.train; add it"):
        checking.check_configuration(config)


def test_each_language_may_have_a_model_of_its_own_size():
    config = load("config.yaml")
    config["translation"]["architecture"] = {"default": "tiny", "zh": "base", "ru": "base-memory"}
    checking.check_configuration(config)


def test_translations_of_your_own_are_one_line(tmp_path):
    config = load("config.yaml")
    for lang in config["languages"]["train"][1:]:
        (tmp_path / f"{lang}.jsonl").touch()
    config["translation"]["source"] = f"{tmp_path}/{{lang}}.jsonl"
    checking.check_configuration(config)


def test_a_tokenizer_of_your_own_gives_the_ids_of_its_sentencepiece_model(tmp_path):
    config = load("config.yaml")
    config["families"]["pythia"]["tokenizer"] = {"path": str(tmp_path)}
    key = "config: families.pythia.tokenizer.path: "
    with pytest.raises(InputError, match=f"{key}{tmp_path}/tokenizer.json does not exist; correct the path"):
        checking.check_configuration(config)
    sentencepieces.make(tmp_path)
    with pytest.raises(InputError, match=f"{key}.* does not exist; convert .*convert_tokenizer.py"):
        checking.check_configuration(config)
    tokenizer = convert(tmp_path)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    checking.check_configuration(config)
    tokenizer.normalizer = None
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match=f"{key}{tmp_path}/tokenizer.model: SentencePiece gives .* other ids"):
        checking.check_configuration(config)


def test_sources_may_name_translations_on_this_machine(tmp_path):
    config = load("config.yaml")
    config["sources"]["mine"] = {"path": f"{tmp_path}/{{lang}}.jsonl"}
    config["translation"]["source"] = "mine"
    with pytest.raises(InputError, match=r"config: sources.mine.path: .*/es.jsonl does not exist"):
        checking.check_configuration(config)
    for lang in config["languages"]["train"][1:]:
        (tmp_path / f"{lang}.jsonl").touch()
    checking.check_configuration(config)


def test_the_runs_that_are_checked_are_those_of_the_paper():
    config = load("config.yaml")

    def runs() -> list:
        return checking._released_runs(expanded(config))

    assert runs() == []
    config["train"]["source"] = "released"
    assert len(runs()) == 160
    config["train"]["source"] = {"lora": "trained", "full": "released"}
    assert len(runs()) == 40
    config["draw"] = ["figure5"]
    assert len(runs()) == 5 * 3, "mono-en and the two mixtures"


def test_released_models_need_a_pin_each(tmp_path, monkeypatch):
    config = load("config.yaml")
    config["train"]["source"] = {"lora": "trained", "full": "released"}
    config["released"]["full"]["repo"] = "authors/{recipe}-{model}"
    recipes = ["en", "es", "fr", "bg", "ru", "zh", "multilingual", "multilingual-downsampled"]
    repos = [f"authors/{recipe}-{model}" for recipe in recipes for model in config["select"]["bloom"]]
    pins = {repo: {"revision": "a" * 40, "sha256": {"model.safetensors": None}} for repo in repos}
    registry = tmp_path / "registry.yaml"
    monkeypatch.setattr(released, "REGISTRY", registry)
    registry.write_text(yaml.safe_dump({"models": pins, "pickled": []}))
    checking.check_configuration(config)
    del pins["authors/multilingual-downsampled-bloom-3b"]
    registry.write_text(yaml.safe_dump({"models": pins, "pickled": []}))
    with pytest.raises(InputError, match=r"no pin for authors/multilingual-downsampled-bloom-3b; add its commit"):
        checking.check_configuration(config)


@pytest.mark.parametrize(
    ("pin", "named"),
    [
        ({"revision": "main", "sha256": {"model.safetensors": None}}, "revision is 'main', which is not a commit"),
        ({"revision": "main", "sha256": {}}, "revision is 'main', which is not a commit"),
        ({"revision": "a" * 40, "sha256": {"model.safetensors": "12"}}, "sha256 is not 64 hexadecimal digits"),
    ],
)
def test_a_pin_that_fixes_nothing_is_refused(tmp_path, pin, named):
    registry = tmp_path / "registry.yaml"
    registry.write_text(yaml.safe_dump({"models": {"authors/model": pin}, "pickled": []}))
    with pytest.raises(InputError, match=f"authors/model: {named}"):
        released.read_released_registry(registry)


def test_a_missing_key_is_named_with_its_meaning():
    config = load("config.yaml")
    del config["tokenize"]["max_length"]
    with pytest.raises(InputError, match=r"config: tokenize.max_length: missing; Maximum tokens of prompt and"):
        checking.check_configuration(config)


def test_every_key_of_the_schema_is_described():
    undescribed = []

    def visit(schema, path):
        for key, part in schema.get("properties", {}).items():
            target = part
            if "$ref" in part:
                target = schema_root
                for step in part["$ref"].removeprefix("#/").split("/"):
                    target = target[step]
            if "description" not in part and "description" not in target:
                undescribed.append(f"{path}.{key}")
            visit(target, f"{path}.{key}")
        for keyword in ("additionalProperties", "items"):
            if isinstance(schema.get(keyword), dict):
                visit(schema[keyword], path)

    schema_root = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    visit(schema_root, "config")
    assert undescribed == []


@pytest.mark.parametrize("end", ["\n", "\r", "\u2028"])
def test_a_name_with_a_line_end_in_it_is_refused_on_one_line(end):
    config = load("config.yaml")
    config[f"no{end}key"] = 1
    with pytest.raises(InputError, match=r"^config: ") as fault:
        checking.check_configuration(config)
    assert len(str(fault.value).splitlines()) == 1

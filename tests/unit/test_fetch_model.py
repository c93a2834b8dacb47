"""Models come from the hub at a commit, checked and whole; what cannot be had is one line with the remedy.

The client is the hub's own, in processes of its own, and the hub is on this machine.
"""

import hashlib
import json
import subprocess

import httpx2
import pytest
from huggingface_hub.utils import get_session

import hub
import sentencepieces
import tiny
from basics.errors import InputError
from basics.reading import read_json
from loopback import serving
from models import fetching
from models.tokenizer import Tokenizer

BASE, LEGACY = "tiny/base", "tiny/legacy"
SENTENCEPIECE, UNIGRAM, VOCABULARY, BOTH = "tiny/sentencepiece", "tiny/unigram", "tiny/vocabulary", "tiny/both"
TOKEN = "hf_aTokenThatNobodyShouldSee"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder of repositories: a model with its tokenizer and what else such repositories hold, and a pickled one."""
    folder = tmp_path_factory.mktemp("hub")
    tokenizer = tiny.tokenizer(folder / BASE)
    tiny.model(folder / BASE, "bloom", tokenizer)
    (folder / BASE / "README.md").write_text("A model.\n")
    (folder / BASE / "pytorch_model.bin").write_bytes(b"pickled too")
    (folder / BASE / "onnx").mkdir()
    (folder / BASE / "onnx" / "model.onnx").write_bytes(b"of no use here")
    (folder / LEGACY).mkdir(parents=True)
    (folder / LEGACY / "config.json").write_text("{}")
    (folder / LEGACY / "pytorch_model.bin").write_bytes(b"pickled")
    sentencepieces.make(folder / SENTENCEPIECE)
    sentencepieces.make(folder / UNIGRAM, model_type="unigram")
    sentencepieces.make(folder / BOTH)
    (folder / BOTH / "tokenizer.json").write_bytes((folder / BASE / "tokenizer.json").read_bytes())
    (folder / BOTH / "tokenizer_config.json").write_bytes((folder / BASE / "tokenizer_config.json").read_bytes())
    (folder / VOCABULARY).mkdir()
    (folder / VOCABULARY / "vocab.json").write_text("{}")
    (folder / VOCABULARY / "merges.txt").write_text("#version: 0.2\n")
    return folder


@pytest.fixture
def server(models):
    with serving(models, hub.HubHandler) as server:
        yield server


def fetch(server, tmp_path, kind="model", repo=BASE, revision="main", *more, **environment):
    options = ["--repo", repo, "--revision", revision, "--output", tmp_path / "out", *more]
    return hub.run(server, tmp_path / "home", "fetch_model.py", kind, *options, **environment)


def names(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def refused(result, tmp_path) -> str:
    """The one line of a fetch that was refused and left nothing."""
    assert result.returncode == 1
    line = result.stderr.splitlines()[-1]
    assert line.startswith("error: ") and "Traceback" not in result.stderr
    assert names(tmp_path) - {"home"} == {name for name in names(tmp_path) if name.startswith("home/")}
    return line


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_model_is_its_configuration_and_safetensors(server, models, tmp_path):
    result = fetch(server, tmp_path)
    assert result.returncode == 0, result.stderr
    taken = {"config.json", "generation_config.json", "model.safetensors"}
    assert names(tmp_path / "out") == taken | {"source.json"}
    for name in taken:
        assert (tmp_path / "out" / name).read_bytes() == (models / BASE / name).read_bytes()


def test_a_branch_is_recorded_as_its_commit_and_every_file_by_its_hash(server, models, tmp_path):
    result = fetch(server, tmp_path, revision="main")
    record = read_json(tmp_path / "out" / "source.json")
    assert (record["repo"], record["revision"]) == (BASE, hub.commit_of(BASE))
    weights = sha256(models / BASE / "model.safetensors")
    assert record["sha256"]["model.safetensors"] == weights
    assert f"model.safetensors sha256 {weights}" in result.stderr, "and printed, to be pinned"


def test_a_commit_gives_the_same_as_its_branch(server, tmp_path):
    fetch(server, tmp_path / "branch", revision="main")
    fetch(server, tmp_path / "commit", revision=hub.commit_of(BASE))
    for name in names(tmp_path / "branch" / "out"):
        assert (tmp_path / "branch" / "out" / name).read_bytes() == (tmp_path / "commit" / "out" / name).read_bytes()


def test_a_tokenizer_comes_without_weights(server, tmp_path):
    result = fetch(server, tmp_path, "tokenizer")
    assert result.returncode == 0, result.stderr
    assert names(tmp_path / "out") == {"config.json", "tokenizer.json", "tokenizer_config.json", "source.json"}


def test_a_sentencepiece_model_alone_is_converted(server, models, tmp_path):
    """As OpenLLaMA's is."""
    result = fetch(server, tmp_path, "tokenizer", SENTENCEPIECE)
    assert result.returncode == 0, result.stderr
    record = read_json(tmp_path / "out" / "source.json")
    assert record["converted"] == {"tokenizer.json": sha256(tmp_path / "out" / "tokenizer.json")}
    assert set(record["sha256"]) == {"tokenizer.model", "tokenizer_config.json"}, "what was fetched"
    tokenizer = Tokenizer(tmp_path / "out")
    assert tokenizer.encode_prompt("a    b") == tokenizer.encode_prompt("a b")


@pytest.mark.parametrize(
    ("repo", "complaint"),
    [
        (UNIGRAM, "tokenizer.model: only tokenizers of LLaMA's kind are converted, but it is not BPE"),
        (VOCABULARY, "tokenizer.json: no such file; save the tokenizer as a fast one"),
    ],
)
def test_a_tokenizer_that_cannot_be_used_is_refused_at_once(server, tmp_path, repo, complaint):
    line = refused(fetch(server, tmp_path, "tokenizer", repo), tmp_path)
    assert f"{repo} at {hub.commit_of(repo)}: {complaint}" in line and str(tmp_path) not in line


def test_a_published_tokenizer_that_differs_from_its_sentencepiece_model_is_taken_with_a_warning(
    server, models, tmp_path
):
    result = fetch(server, tmp_path, "tokenizer", BOTH)
    assert result.returncode == 0, result.stderr
    assert f"warning: {BOTH} at {hub.commit_of(BOTH)}: tokenizer.model: SentencePiece gives" in result.stderr
    assert sha256(tmp_path / "out" / "tokenizer.json") == sha256(models / BOTH / "tokenizer.json")


def test_a_file_with_the_pinned_hash_is_taken(server, models, tmp_path):
    pin = f"model.safetensors={sha256(models / BASE / 'model.safetensors')}"
    assert fetch(server, tmp_path, "model", BASE, "main", "--sha256", pin).returncode == 0


def test_another_hash_than_the_pinned_one_stops_with_both_values_and_leaves_nothing(server, models, tmp_path):
    result = fetch(server, tmp_path, "model", BASE, "main", "--sha256", f"model.safetensors={'0' * 64}")
    line = refused(result, tmp_path)
    assert sha256(models / BASE / "model.safetensors") in line and "0" * 64 in line


def test_a_pinned_file_that_is_not_there_is_named(server, tmp_path):
    result = fetch(server, tmp_path, "model", BASE, "main", "--sha256", f"model-00001.safetensors={'0' * 64}")
    assert "model-00001.safetensors: is not there" in refused(result, tmp_path)


@pytest.mark.parametrize("pin", ["model.safetensors", "model.safetensors=12", f"={'0' * 64}"])
def test_a_pin_that_is_none_is_refused(server, tmp_path, pin):
    result = fetch(server, tmp_path, "model", BASE, "main", "--sha256", pin)
    assert result.returncode == 2 and "is not FILE=HASH" in result.stderr


def test_pickled_weights_are_named_with_what_to_do(server, tmp_path):
    line = refused(fetch(server, tmp_path, repo=LEGACY), tmp_path)
    assert "pickled (pytorch_model.bin)" in line and "config/README.md" in line and "`path`" in line
    assert hub.commit_of(LEGACY) in line


def test_a_repository_that_is_not_there_is_named(server, tmp_path):
    line = refused(fetch(server, tmp_path, repo="tiny/nothing"), tmp_path)
    assert "tiny/nothing" in line and "there is no such repository" in line


def test_a_revision_that_is_not_there_is_named(server, tmp_path):
    line = refused(fetch(server, tmp_path, revision="v9"), tmp_path)
    assert f"{BASE} at v9" in line and "there is no such revision" in line


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_repository_asks_for_a_token(server, tmp_path, status):
    server.faults[BASE] = status
    line = refused(fetch(server, tmp_path), tmp_path)
    assert f"{status} Client Error" in line and "HF_TOKEN" in line


@pytest.mark.parametrize("fault", [None, 403])
def test_a_token_goes_to_the_hub_and_nowhere_else(server, tmp_path, fault):
    if fault:
        server.faults[BASE] = fault
    result = fetch(server, tmp_path, HF_TOKEN=TOKEN, HF_DEBUG="1")
    assert set(server.asked) == {f"Bearer {TOKEN}"}
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in content for content in [*written, result.stdout.encode(), result.stderr.encode()])


def test_a_download_that_breaks_off_goes_on(server, tmp_path, models):
    """Half the weights arrive and then no more, until the server is well again."""
    server.faults["model.safetensors"] = "stalled"
    process = subprocess.Popen(
        hub.command("fetch_model.py", "model", "--repo", BASE, "--revision", "main", "--output", tmp_path / "out"),
        env=hub.environment(server, tmp_path / "home"),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stalled.wait(60)
    assert not (tmp_path / "out").exists()
    del server.faults["model.safetensors"]
    server.go_on.set()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert sha256(tmp_path / "out" / "model.safetensors") == sha256(models / BASE / "model.safetensors")


def test_a_hub_that_sends_in_drips_is_given_up(server, tmp_path):
    server.faults["model.safetensors"] = "drip"
    line = refused(fetch(server, tmp_path, HF_HUB_DOWNLOAD_TIMEOUT="1"), tmp_path)
    assert "cannot fetch tiny/base" in line and "`path`" in line


@pytest.mark.parametrize("target", ["http://far.example/x", "http://127.0.0.1:9/x", "ftp://far.example/x"])
def test_from_https_the_hubs_client_is_not_sent_on_to_http(target):
    fetching.bound_hub_client()
    (hook,) = get_session().event_hooks["response"]
    sent_on = {"status_code": 302, "request": httpx2.Request("GET", "https://hub.example/x")}
    with pytest.raises(InputError, match=r"redirected to .*, which is not https"):
        hook(httpx2.Response(headers={"Location": target}, **sent_on))
    hook(httpx2.Response(headers={"Location": "https://cdn.example/x"}, **sent_on))


def test_a_download_that_was_killed_leaves_no_output_and_can_be_repeated(server, tmp_path):
    server.faults["model.safetensors"] = "stalled"
    process = subprocess.Popen(
        hub.command("fetch_model.py", "model", "--repo", BASE, "--revision", "main", "--output", tmp_path / "out"),
        env=hub.environment(server, tmp_path / "home"),
        stderr=subprocess.DEVNULL,
    )
    assert server.stalled.wait(60)
    process.kill()
    process.wait()
    assert not (tmp_path / "out").exists()
    del server.faults["model.safetensors"]
    server.go_on.set()
    assert fetch(server, tmp_path).returncode == 0
    assert json.loads((tmp_path / "out" / "config.json").read_text())["model_type"] == "bloom"


def test_a_server_that_fails_leaves_nothing_and_says_what_to_do(server, tmp_path):
    server.faults["model.safetensors"] = 500
    assert "`path`" in refused(fetch(server, tmp_path), tmp_path)
    del server.faults["model.safetensors"]
    assert fetch(server, tmp_path).returncode == 0

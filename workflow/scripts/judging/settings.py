"""The settings of judge.py: an entry of `judges`, and the part of it on which replies depend."""

from dataclasses import dataclass, field, fields
from pathlib import Path

from basics.errors import InputError, SettingError, setting
from basics.hashing import item_key, sha256
from basics.settings import check_choices, check_counts
from serving.client import KEY_VARIABLE, is_local
from serving.server import command_words

LENGTH_LIMITS = ("max_tokens", "max_completion_tokens")  # names of the same parameter; OpenAI's GPT-5 takes the second
REPLY_FORMATS = ("text", "pattern", "json")
OF_THE_REQUEST = {"model", "messages", "temperature", "reasoning_effort", "seed", *LENGTH_LIMITS}
DIALECT = ("system", "length_limit", "reasoning_effort", "reply_format", "extra_body")
LARGEST_HASHED = 64 * 2**20  # bytes; larger files of the serve command enter the journal key by size, not content


@dataclass(frozen=True)
class JudgeSettings:
    """A judge as configured; the docstring of judge.py explains each key. Raises InputError for keys that contradict
    each other, and SettingError, which names the key, for a value out of range."""

    name: str
    model: str
    base_url: str | None = None
    key_env: str | None = None
    serve: str | list[str] | None = None
    secrets: list[str] = field(default_factory=lambda: [KEY_VARIABLE])
    start_timeout: float = 600
    system: str | None = None
    temperature: float | None = 0
    max_tokens: int = 512
    length_limit: str = "max_tokens"
    reasoning_effort: str | None = None
    reply_format: str = "text"
    extra_body: dict = field(default_factory=dict)
    seed: int | None = None
    repeats: int = 1
    retries: int = 3
    give_up_after: int | None = 20
    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = 120
    patience: float = 600
    price: dict[str, float] | None = None
    budget: float | None = None
    api: str = "calls"
    poll: float = 60

    def __post_init__(self):
        if bool(self.serve) == bool(self.base_url):
            raise InputError("give exactly one of base_url or serve")
        check_counts(self, ("repeats", "concurrency", *(("give_up_after",) if self.give_up_after is not None else ())))
        check_choices(self, {"api": ("calls", "batch"), "length_limit": LENGTH_LIMITS, "reply_format": REPLY_FORMATS})
        if twice := sorted(self.extra_body.keys() & OF_THE_REQUEST):
            raise SettingError("extra_body", f"has {twice[0]}, which other keys of the judge set; take it out")
        with setting("serve"):
            command_words(self.serve or "")
        if self.price is not None and self.price.keys() != {"prompt", "completion"}:
            raise SettingError("price", "needs prompt and completion, US dollars per million tokens")
        if self.budget is not None and not self.price:
            raise SettingError("budget", "needs price, US dollars per million tokens; give both, or neither")
        if self.api == "batch" and self.serve:
            raise SettingError("api", "batch is for an endpoint at base_url; use calls for a judge with serve")
        if self.base_url:
            check_base_url(self.base_url, self.key_env)


def check_base_url(base_url: str, key_env: str | None) -> None:
    """Raise InputError if the URL is not valid, or if OpenAI's key would be sent over a network unencrypted.

    Your own server on a cluster may use http, provided that it has its own key, in another variable.
    """
    if not is_local(base_url) and base_url.startswith("http://") and key_env in (None, KEY_VARIABLE):
        raise InputError(
            f"base_url {base_url} is http: the key in {KEY_VARIABLE} would go there unencrypted; use https, or set"
            " key_env to the variable that holds that server's own key"
        )


def determinants(settings: JudgeSettings) -> dict[str, object]:
    """What a reply depends on besides the prompt; part of its key in the journal.

    For a judge with `serve`, this includes the command and the files that it names.
    """
    depends = {key: getattr(settings, key) for key in ("model", "base_url", "temperature", "max_tokens", "seed")}
    default = {each.name: each.default for each in fields(settings)} | {"extra_body": {}}
    depends |= {key: value for key in DIALECT if (value := getattr(settings, key)) != default[key]}
    if settings.serve:
        depends["serve"] = words = command_words(settings.serve)
        named = [path for path in (Path(word.rpartition("=")[2]) for word in words[1:]) if path.is_file()]
        depends["files"] = [sha256(p) if p.stat().st_size <= LARGEST_HASHED else p.stat().st_size for p in named]
    return depends


def reply_key(depends: dict[str, object], prompt: str, attempt: int, repeat: int) -> str:
    """Key of a reply in the journal. The first repeat has the same key as without repeats, so that repeats can be added
    to existing ratings."""
    further = {"repeat": repeat} if repeat > 1 else {}
    return item_key(prompt=prompt, attempt=attempt, **depends, **further)


def sent_seed(settings: JudgeSettings, attempt: int, repeat: int) -> int | None:
    """The seed of an attempt, different for every attempt and repeat of a prompt."""
    if settings.seed is None:
        return None
    return settings.seed + (repeat - 1) * (settings.retries + 1) + attempt - 1

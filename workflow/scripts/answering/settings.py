"""The settings of respond.py."""

from dataclasses import asdict, dataclass, field

from basics.errors import SettingError, setting
from basics.settings import check_choices, check_counts
from serving.client import KEY_VARIABLE
from serving.server import command_words

CHOICES = {"special_tokens": ("drop", "keep"), "precision": ("bf16", "fp32")}
GREEDY = {"beams": 1, "no_repeat_ngram": 0}  # the only search that a server is used for


@dataclass(frozen=True)
class Settings:
    """How to decode; respond.py's docstring documents each key. Raises SettingError for a value out of range, and for a
    search that a server does not support."""

    beams: int
    no_repeat_ngram: int
    repetition_penalty: float
    max_new_tokens: int
    cut_at: str
    special_tokens: str
    batch: int
    precision: str
    serve: str | None = None
    start_timeout: float = 1800
    secrets: list[str] = field(default_factory=lambda: [KEY_VARIABLE])

    def __post_init__(self):
        check_counts(self, ("beams", "max_new_tokens", "batch"))
        check_choices(self, CHOICES)
        if not self.cut_at:
            raise SettingError("cut_at", "is empty; give the text at which an answer ends")
        with setting("serve"):
            command_words(self.serve or "")
        for key, greedy in GREEDY.items():
            if self.serve and (value := getattr(self, key)) != greedy:
                raise SettingError(
                    key, f"{value} is not for a model that is served; write {greedy}, or leave out serve"
                )

    def determinants(self) -> dict:
        """The settings that an answer depends on, besides weights and prompt."""
        speed = {"batch", "start_timeout", "secrets"} | ({"serve"} if not self.serve else set())
        return {key: value for key, value in asdict(self).items() if key not in speed}

    def describe_decoding(self, engine: str) -> str:
        """The decoding in one line, for readers."""
        search = f"beam {self.beams}" if self.beams > 1 else "greedy"
        repeats = f", no repeated {self.no_repeat_ngram}-gram" if self.no_repeat_ngram else ""
        penalty = f", repetition penalty {self.repetition_penalty:g}" if self.repetition_penalty != 1 else ""
        return f"{engine}, {search}{repeats}{penalty}, at most {self.max_new_tokens} tokens, {self.precision}"

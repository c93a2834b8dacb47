"""The settings of train.py."""

from dataclasses import dataclass

from basics.errors import SettingError
from basics.settings import check_choices, check_counts

CHOICES = {
    "schedule": ("linear", "cosine"),
    "loss_on": ("all", "response"),
    "order": ("random", "by-length"),
    "precision": ("bf16", "fp32"),
    "validation": ("held-out", "none", "nothing-held-out"),
    "zero_stage": (None, 2, 3),
    "offload": ("none", "optimizer", "all"),
    "activations": ("keep", "recompute"),
}


@dataclass(frozen=True)
class Settings:
    """How to tune; train.py's docstring documents each key. Raises SettingError for a value out of range."""

    batch: int
    micro_batch_tokens: int | str
    epochs: int
    learning_rate: float
    warmup: float
    schedule: str
    weight_decay: float
    loss_on: str
    evaluate_every: int
    precision: str
    seed: int
    lora: dict | None = None
    loss_mean: int | str = "step"
    order: str = "random"
    validation: str = "held-out"
    zero_stage: int | None = None
    offload: str = "none"
    activations: str = "keep"

    def __post_init__(self):
        check_choices(self, CHOICES)
        check_counts(self, ("batch", "epochs", "evaluate_every"))
        for key, word in (("micro_batch_tokens", "auto"), ("loss_mean", "step")):
            if getattr(self, key) != word:
                check_counts(self, [key])


def check_method(method: str, settings: Settings) -> None:
    """Raise SettingError if the settings do not suit the method: lora needs its adapter's settings, and only full may
    shard the model across ranks (ZeRO) or offload part of it to host memory."""
    if method == "lora":
        _check_lora(settings)
    elif settings.offload != "none" and not settings.zero_stage:
        raise SettingError("offload", "needs zero_stage; only DeepSpeed moves its state to the host")
    elif settings.offload == "all" and settings.zero_stage != 3:
        raise SettingError("offload", "all needs zero_stage 3; with 2 only the optimizer can be moved")


def _check_lora(settings: Settings) -> None:
    for key, absent in (("zero_stage", None), ("offload", "none")):
        if getattr(settings, key) != absent:
            raise SettingError(key, "is for the method full; LoRA trains few parameters, leave it out")
    lora = settings.lora or {}
    if lora.keys() - {"adapter"} != {"rank", "alpha", "dropout"}:
        raise SettingError("lora", "must hold rank, alpha and dropout, and may hold adapter; change its keys")
    if lora.get("adapter", "lora") not in ("lora", "dora"):
        raise SettingError("adapter", f"is {lora['adapter']!r}, which is not lora or dora")

"""Services that show the losses of trainings, by the Trainer's own callbacks: TensorBoard, Weights & Biases, MLflow.

The Snakefile sets the variable TRACKERS to the names in `trackers` of the configuration. Each service reads variables
of its own (WANDB_API_KEY, WANDB_MODE, MLFLOW_TRACKING_URI, ...); what is set here are only defaults.
"""

import os
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from basics.errors import InputError

TRACKERS = "TRACKERS"
PROJECT = "better-alpaca"
PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",), "mlflow": ("mlflow",)}  # any of them


def wanted() -> list[str]:
    """The services that this process is asked to send losses to."""
    return os.environ.get(TRACKERS, "").split()


def check_trackers(names: Iterable[str]) -> None:
    """Raise InputError for the first service whose package is not installed."""
    for name in names:
        package = PACKAGES[name][0]
        if not any(map(find_spec, PACKAGES[name])):
            raise InputError(
                f"config: trackers: the package {package} is not installed; install it into the main environment"
                f" (.venv/bin/pip install {package}), or take {name} out"
            )


def trackers_of(curve: Path) -> list[str]:
    """The services that are asked for, once they are told to write beside the file `curve`."""
    folder = curve.with_suffix("")
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder)
    for variable, value in {"WANDB_DIR": str(folder), "WANDB_PROJECT": PROJECT, "WANDB_CONSOLE": "off"}.items():
        os.environ.setdefault(variable, value)
    os.environ.setdefault("MLFLOW_EXPERIMENT_NAME", PROJECT)
    if "wandb" in wanted():
        folder.mkdir(parents=True, exist_ok=True)  # without it, wandb would write to /tmp
    return wanted()


def run_name(curve: Path) -> str:
    """What a training is called there: method/model/recipe."""
    return "/".join(curve.with_suffix("").parts[-3:])

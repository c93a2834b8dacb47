"""A job that was promised a GPU stops at once if there is none; a job that asks for none uses none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import test_respond
import tiny
import trainings

HIDDEN = {"CUDA_VISIBLE_DEVICES": ""}  # as on a machine, or in a job, without a GPU


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    folder = trainings.make_house(tmp_path_factory.mktemp("house"))
    (folder / "en.jsonl").write_text(json.dumps({"id": "q1", "prompt": "Tell me of the lamp."}) + "\n")
    return folder


def training(house: Path, output: Path, ranks: int = 1) -> list[str]:
    return trainings.Training(house, output, "full").command(ranks=ranks)


def micro_batch(house: Path, output: Path) -> list[str]:
    settings = json.dumps(trainings.settings(micro_batch_tokens="auto"))
    rehearsed = [str(tiny.SCRIPTS / "train.py"), "--method", "lora", "--model", str(house / "bloom")]
    options = ["--length", "64", "--settings", settings, "--memory", "1000000000", "--output", str(output)]
    modules = ["--adapter-modules", *tiny.MODULES["bloom"]]
    return [sys.executable, str(tiny.SCRIPTS / "micro_batch.py"), *options, "--", *rehearsed, *modules]


def answering(house: Path, output: Path) -> list[str]:
    options = {
        "--method": "full",
        "--base": house / "bloom",
        "--model": house / "bloom",
        "--tokenizer": house / "tokenizer",
        "--template": house / "template.json",
        "--prompts": f"en={house / 'en.jsonl'}",
        "--settings": json.dumps(test_respond.SETTINGS),
        "--journal": output.with_suffix(".journal"),
        "--output": output,
        "--metadata": output.with_suffix(".json"),
    }
    return [sys.executable, str(tiny.SCRIPTS / "respond.py"), *(str(part) for each in options.items() for part in each)]


PROGRAMS = {
    "train": training,
    "train on two ranks": lambda house, output: training(house, output, ranks=2),
    "micro_batch": micro_batch,
    "respond": answering,
}


def run(command: list[str], accelerator: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*command, "--accelerator", accelerator], env=os.environ | environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_the_gpu_that_it_was_promised_a_job_stops_at_once(house, tmp_path, program):
    done = run(PROGRAMS[program](house, tmp_path / "output"), "gpu", **HIDDEN)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "torch/distributed/elastic" not in line]  # from torchrun
    assert line.startswith("error: ") and "a GPU is asked for (--accelerator gpu; compute.accelerator" in line
    assert "built for CPUs only; make the environment again" in line or "CUDA_VISIBLE_DEVICES is ''" in line
    assert not list(tmp_path.iterdir()), "no output, journal, lock or checkpoint"


@pytest.mark.parametrize("program", ["train", "train on two ranks", "respond"])
def test_a_job_that_asks_for_the_cpu_runs_on_it(house, tmp_path, program):
    output = tmp_path / "output"
    done = run(PROGRAMS[program](house, output), "cpu")
    assert done.returncode == 0, done.stderr
    told = output.with_suffix(".json") if program == "respond" else output / "training.json"
    assert json.loads(told.read_text())["device"] == "cpu"


SEES = """
import os, sys
from models import device
from basics.errors import InputError
import torch
torch.__version__, torch.version.cuda = "2.13.0", "13.0"  # a build for GPUs, which has none to see here
try:
    getattr(device, sys.argv[1])("gpu")
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize("check", ["use_device", "check_device_of_server"])
@pytest.mark.parametrize(("visible", "said"), [(None, "is not set"), ("", "is ''"), ("2,3", "is '2,3'")])
def test_a_torch_for_gpus_that_sees_none_says_what_the_job_was_given(check, visible, said):
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    environment |= {"PYTHONPATH": str(tiny.SCRIPTS)} | ({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})
    command = [sys.executable, "-c", SEES, check]
    (line,) = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "torch 2.13.0 sees 0 of the 1 needed" in line and f"CUDA_VISIBLE_DEVICES {said}" in line
    assert "sbatch --gpus" in line and "nvidia-smi" in line and "CUDA 13.0" in line


SET = """
import json, os, sys
from models.device import use_device
use_device(*json.loads(sys.argv[1]))
print(json.dumps([os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")]))
"""


def left_by(arguments: list, **given: str) -> list[str | None]:
    """What use_device leaves in the variables of NVIDIA and AMD."""
    environment = {name: value for name, value in os.environ.items() if "VISIBLE_DEVICES" not in name}
    environment |= {"PYTHONPATH": str(tiny.SCRIPTS)} | given
    command = [sys.executable, "-c", SET, json.dumps(arguments)]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)


def test_a_single_process_sees_the_first_of_its_gpus_by_the_variables_of_both_makers():
    assert left_by([None]) == ["0", "0"]
    assert left_by([None], CUDA_VISIBLE_DEVICES="3,4") == ["3", "3"]
    assert left_by([None], HIP_VISIBLE_DEVICES="2,3") == ["0", "2"]
    assert left_by([None], ROCR_VISIBLE_DEVICES="5,6") == ["0", "0"], "which counts within those of ROCR"
    assert left_by([None, 2], HIP_VISIBLE_DEVICES="2,3") == [None, "2,3"], "ranks share what the job has"


def test_on_the_cpu_gpus_of_both_makers_are_hidden():
    assert left_by(["cpu"], CUDA_VISIBLE_DEVICES="1", HIP_VISIBLE_DEVICES="1") == ["", "-1"]


def test_a_torch_for_amd_says_what_its_job_was_given():
    environment = {name: value for name, value in os.environ.items() if "VISIBLE_DEVICES" not in name}
    environment |= {"PYTHONPATH": str(tiny.SCRIPTS), "ROCR_VISIBLE_DEVICES": "5"}
    built = SEES.replace('torch.version.cuda = "2.13.0", "13.0"', 'torch.version.hip = "2.13.0", "7.1"')
    built = built.replace("import torch\n", "import torch\ntorch.cuda.is_available = lambda: False\n")
    command = [sys.executable, "-c", built, "use_device"]
    (line,) = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "ROCR_VISIBLE_DEVICES is '5'" in line and "rocm-smi" in line and "new enough for ROCm 7.1" in line

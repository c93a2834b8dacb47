"""The methods, and what figures compare: series of training recipes."""

METHODS = {"lora": "LoRA", "full": "Full-parameter"}  # the paper's names
SERIES_OF_KIND = {  # what a figure compares, by its kind, unless it says so itself
    "size": ("multilingual", "monolingual", "English", "downsampled"),
    "unseen": ("multilingual", "English", "downsampled"),
    "consistency": ("multilingual", "monolingual", "English", "downsampled"),
    "family": ("multilingual", "monolingual", "downsampled"),
    "sweep": ("English",),
}


def recipe_of(series: str, lang: str) -> str:
    """The training recipe whose model answers prompts in `lang` for a series of the figures."""
    return {"monolingual": f"mono-{lang}", "English": "mono-en"}.get(series, series)

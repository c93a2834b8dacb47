"""The methods, and what figures compare: series of training recipes."""

METHODS = {"lora": "LoRA", "full": "Full-parameter"}  # the paper's names
SERIES_OF_KIND = {  # the series in a figure, by its kind, unless it has its own
    "size": ("multilingual", "monolingual", "English", "downsampled"),
    "unseen": ("multilingual", "English", "downsampled"),
    "consistency": ("multilingual", "monolingual", "English", "downsampled"),
    "family": ("multilingual", "monolingual", "downsampled"),
    "sweep": ("English",),
}


def recipe_of(series: str, lang: str) -> str:
    """The training recipe whose model answers prompts in `lang` in a series of a figure."""
    return {"monolingual": f"mono-{lang}", "English": "mono-en"}.get(series, series)


def series_of(recipe: str) -> str:
    """The series whose training recipe this is; of mono-en, which is also the monolingual one of English, English."""
    if recipe == "mono-en":
        return "English"
    return "monolingual" if recipe.startswith("mono-") else recipe

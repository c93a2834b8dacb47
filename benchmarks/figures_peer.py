"""Figures 2 to 4 as a few lines of seaborn draw them: lineplot bootstraps the prompts at each point separately."""

import argparse
import json
from pathlib import Path

import polars as pl


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", required=True, type=Path, help="score table (parquet)")
    parser.add_argument("--figure", required=True, type=Path, help="the selection that figure.py takes, in a file")
    parser.add_argument("--output-prefix", required=True, type=Path, help="path of the figure, without suffix")
    arguments = parser.parse_args()

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure = json.loads(arguments.figure.read_text(encoding="utf-8"))
    [(method, models)] = figure["runs"].items()
    billions = pl.DataFrame({"model": models, "billions": [figure["models"][name]["billions"] for name in models]})
    scores = pl.read_parquet(arguments.scores).filter(pl.col("method") == method).join(billions, on="model")
    recipes = ["multilingual", "downsampled", "mono-en"]
    arguments.output_prefix.parent.mkdir(parents=True, exist_ok=True)
    for added, width in (("", 6.3), ("-column", 3.03)):
        canvas, grid = plt.subplots(2, 3, figsize=(width, 3.7), sharex=True, sharey=True, layout="constrained")
        for axes, lang in zip(grid.flat, figure["panels"], strict=True):
            shown = scores.filter(pl.col("lang") == lang, pl.col("recipe").is_in([*recipes, f"mono-{lang}"]))
            sns.lineplot(
                shown.select("billions", "recipe", "score").to_pandas(),
                x="billions",
                y="score",
                hue="recipe",
                estimator="sum",
                errorbar=("ci", 95),
                n_boot=figure["uncertainty"]["resamples"],
                seed=figure["uncertainty"]["seed"],
                legend=False,
                ax=axes,
            )
            axes.set(xscale="log", title=figure["languages"][lang])
        for kind in ("pdf", "png"):
            canvas.savefig(f"{arguments.output_prefix}{added}.{kind}", dpi=300)


if __name__ == "__main__":
    main()

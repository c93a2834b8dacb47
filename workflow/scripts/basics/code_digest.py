"""What a program does, as a digest: its rule takes it as a parameter, so that a job runs again when its program does
something else, and not when its files have another date.

Counted are the statements that a program runs when it starts, and every function, class and constant that these reach
by name, in whichever module. Not counted are comments, docstrings, layout, imports for type checkers, where a module
lies, what nothing reaches, and what only a reader sees: `--help`, the words of an error, what is printed to stderr.

A name counts as reached wherever it is written, so a local variable that is called like a function of its module makes
that function count: the digest may change too often. It follows no name that is put together as text; a module that is
used in any other way than `module.name` counts as a whole.
"""

import ast
import hashlib
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple, Union

SCRIPTS = Path(__file__).resolve().parents[1]
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
PARSERS = {"ArgumentParser", "add_argument", "add_argument_group", "add_mutually_exclusive_group", "add_parser"}
SHOWN = {"help", "description", "metavar", "epilog", "title"}  # what they are given for readers alone
ERRORS = {"InputError", "RankError", "SettingError"}
OF_A_PYTHON = {"ctx", "kind", "type_comment", "type_ignores", "type_params"}  # fields that not every Python has


class Ours(NamedTuple):
    """What a module of ours defines under a name, or all that it does (None)."""

    module: "Module"
    name: str | None


Meaning = Union[Ours, str]  # noqa: UP007  of another's package, what it is called there


class Module:
    """A file of ours, and what its names mean. Made once a file, by `module_at`."""

    def __init__(self, path: Path):
        counting = _WhatCounts()
        tree = counting.visit(ast.parse(path.read_text(encoding="utf-8"), str(path)))
        self.statements: list[ast.stmt] = tree.body
        self._import_statements = counting.imports

    @cached_property
    def definitions(self) -> dict[str, list[ast.stmt]]:
        """The statements that bind each name."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in self.statements:
            for name in _bound(statement):
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def effects(self) -> list[ast.stmt]:
        """The statements that are there for what they do when the module is imported."""
        return [each for each in self.statements if not _bound(each) and not isinstance(each, IMPORTS)]

    @cached_property
    def imports(self) -> dict[str, list[Meaning]]:
        """What each imported name means, wherever in the file it is imported."""
        found: dict[str, list[Meaning]] = {}
        for statement in self._import_statements:
            for name, meaning in _imported(statement):
                found.setdefault(name, []).append(meaning)
        return found

    @cached_property
    def imported(self) -> list["Module"]:
        """The modules of ours that run when this one is imported."""
        meanings = [meaning for each in self.statements if isinstance(each, IMPORTS) for _, meaning in _imported(each)]
        return [meaning.module for meaning in meanings if isinstance(meaning, Ours)]

    def meanings(self, name: str) -> list[Meaning]:
        """What a name may mean here; none for a local variable and for a name of Python's own."""
        found: list[Meaning] = [Ours(self, name)] if name in self.definitions else []
        for meaning in self.imports.get(name, ()):
            handed_on = isinstance(meaning, Ours) and meaning.name is not None
            found += meaning.module.meanings(meaning.name) if handed_on else [meaning]
        return found


class Reach(NamedTuple):
    """What a statement is, and what counts because it does."""

    digest: str
    reached: list[tuple[str, ast.stmt, Module]]  # by the name it is reached by: a statement of ours
    elsewhere: list[tuple[str, str]]  # and something of another's package
    imported: list[Module]


@cache
def module_at(path: Path) -> Module:
    return Module(path)


class _WhatCounts(ast.NodeTransformer):
    """Takes out of a syntax tree what does not count, and collects the imports in it."""

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
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in SHOWN]
        if called in ERRORS or any(ast.unparse(keyword.value) == "sys.stderr" for keyword in node.keywords):
            node.args, node.keywords = [], []
        return self.generic_visit(node)


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, or another text that stands alone."""
    return isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)


def _is_for_type_checkers(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and getattr(statement.test, "id", "") == "TYPE_CHECKING"


def _bound(statement: ast.stmt) -> list[str]:
    """The names that a definition binds; none of a statement that is there for what it does."""
    if isinstance(statement, DEFINITIONS):
        return [statement.name]
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return []
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    parts = [part for target in targets for part in getattr(target, "elts", [target])]
    return [part.id for part in parts] if all(isinstance(part, ast.Name) for part in parts) else []


@cache
def _file(dotted: str) -> Path | None:
    """The file of a module or room of ours; None for another's package."""
    path = SCRIPTS.joinpath(*dotted.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def _imported(node: ast.Import | ast.ImportFrom) -> list[tuple[str, Meaning]]:
    """Each name that an import binds, with what it means."""
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


def _used(statement: ast.stmt, module: Module) -> Iterator[tuple[str, Meaning]]:
    """Each name in a statement that means something outside of it, with what it means."""
    looked_into = set()  # names of modules that stand in `module.name`
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            for meaning in module.imports.get(node.value.id, ()):
                of_a_module = isinstance(meaning, Ours) and meaning.name is None
                for known in meaning.module.meanings(node.attr) if of_a_module else ():
                    looked_into.add(node.value)
                    yield f"{node.value.id}.{node.attr}", known
        elif isinstance(node, ast.Name) and node not in looked_into:
            for meaning in module.meanings(node.id):
                yield node.id, meaning


def _canonical(node: object) -> str:
    """A syntax tree as text, whatever Python parsed it and wherever our modules lie."""
    if isinstance(node, list):
        return f"[{','.join(map(_canonical, node))}]"
    if isinstance(node, IMPORTS):
        return f"import {sorted(name if isinstance(meaning, Ours) else meaning for name, meaning in _imported(node))}"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if name not in OF_A_PYTHON]
    return f"{type(node).__name__}({','.join(f'{name}={_canonical(value)}' for name, value in fields if value)})"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _reach(statement: ast.stmt, module: Module) -> Reach:
    reached, elsewhere = [], []
    for name, meaning in dict.fromkeys(_used(statement, module)):
        if isinstance(meaning, str):
            elsewhere.append((name, meaning))
            continue
        known = meaning.module.definitions
        for wanted in known if meaning.name is None else [meaning.name]:
            reached += [(name, each, meaning.module) for each in known.get(wanted, ())]
    imports = [node for node in ast.walk(statement) if isinstance(node, IMPORTS)]
    imported = [meaning.module for node in imports for _, meaning in _imported(node) if isinstance(meaning, Ours)]
    return Reach(_sha256(_canonical(statement)), reached, elsewhere, imported)


@cache
def code_digest(*programs: str) -> str:
    """The digest of programs of workflow/scripts/, by their names without suffix; a job may run several.

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
    """What the programs of a rule do, as one of its parameters: a job is run again when that changes.

    The digest is worked out when Snakemake asks for it: each job of a cluster parses all rules, and needs only the
    digest of its own.
    """
    return lambda wildcards: code_digest(*programs)

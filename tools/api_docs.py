"""Makes docs/api.md from the docstrings of the public names.

    python -m tools.api_docs           # writes docs/api.md
    python -m tools.api_docs --check   # exit code 1 if the page is not what would be written

The sources are read, not imported: any Python does, and nothing has to be installed.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "nemo_partial_hydra"
PAGE = ROOT / "docs" / "api.md"
HEADER = """\
# Public API

`import nemo_partial_hydra as nph`. The names below are the public ones; all others may change between versions.

<!-- Made from the docstrings by `python -m tools.api_docs`; a test fails when it is stale. -->
"""
SECTIONS = ("Parameters", "Attributes", "Returns", "Raises", "Notes", "Examples", "See Also")
LISTS = {"Parameters", "Attributes", "Returns", "Raises"}
WIDTH = 110  # of a signature before it is broken into lines

Node = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Public:
    """One public name: where it is defined, and its source."""

    name: str
    module: str
    node: Node
    bases: tuple[ast.ClassDef, ...] = ()

    @property
    def doc(self) -> str:
        """The docstring, without its indentation."""
        return ast.get_docstring(self.node) or ""

    @property
    def is_error(self) -> bool:
        """Whether it is one of the package's exceptions."""
        return self.module == "errors"

    @property
    def parameters(self) -> list[str]:
        """The names of a function's parameters, or of a class's public fields, inherited ones first."""
        if isinstance(self.node, ast.FunctionDef):
            arguments = self.node.args
            more = [] if arguments.vararg is None else [arguments.vararg]
            return [each.arg for each in (*arguments.posonlyargs, *arguments.args, *more, *arguments.kwonlyargs)]
        return [
            statement.target.id
            for owner in (*self.bases, self.node)
            for statement in owner.body
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        ]


@cache
def public() -> list[Public]:
    """Return the public names in the order of ``nemo_partial_hydra._HOME``, which is that of ``__all__``."""
    tree = _parsed("__init__")
    table = next(
        statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "_HOME"
    )
    homes: dict[str, str] = ast.literal_eval(table)
    return [_found(name, module) for name, module in homes.items()]


def _parsed(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))


def _found(name: str, module: str) -> Public:
    classes: dict[str, ast.ClassDef] = {}
    for statement in _parsed(module).body:
        if isinstance(statement, ast.ImportFrom) and statement.level == 1 and statement.module:  # a base from beside it
            beside = _parsed(f"{module.rpartition('.')[0]}.{statement.module}".lstrip("."))
            classes.update((each.name, each) for each in beside.body if isinstance(each, ast.ClassDef))
        if isinstance(statement, ast.ClassDef):
            classes[statement.name] = statement
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)) and statement.name == name:
            own = statement.bases if isinstance(statement, ast.ClassDef) else []
            bases = [classes[base.id] for base in own if isinstance(base, ast.Name) and base.id in classes]
            return Public(name, module, statement, tuple(bases))
    raise LookupError(f"nemo_partial_hydra.{module} defines no {name}")


def sections(doc: str) -> dict[str, str]:
    """Split a docstring in NumPy form: its text under ``""``, then each section under its heading."""
    heading = re.compile(rf"^({'|'.join(SECTIONS)})\n-+\n", re.MULTILINE)
    parts = heading.split(doc)
    return {"": parts[0].strip(), **dict(zip(parts[1::2], (part.strip("\n") for part in parts[2::2]), strict=True))}


def entries(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and description of each entry of a section like ``Parameters``."""
    for block in re.split(r"\n(?=\S)", text):
        head, _, below = block.partition("\n")
        name, _, kind = head.partition(" : ")
        yield name.strip(), kind.strip(), inspect.cleandoc(below)


def page() -> str:
    """Return the text of docs/api.md."""
    names = public()
    parts = [HEADER, _overview(names), *(_described(entry) for entry in names if not entry.is_error), _errors(names)]
    return "\n".join(parts)


def _overview(names: Sequence[Public]) -> str:
    rows = ["| name | |", "|---|---|"]
    for entry in names:
        if not entry.is_error:
            rows.append(f"| [`{entry.name}`](#{entry.name.lower()}) | {_markdown(entry.doc).splitlines()[0]} |")
    return "\n".join([*rows, "| [errors](#errors) | All of them are a `RecipeError`; each has an exit code. |", ""])


def _described(entry: Public) -> str:
    found = sections(entry.doc)
    for base in entry.bases:
        inherited = sections(ast.get_docstring(base) or "").get("Attributes", "")
        found["Attributes"] = "\n".join(part for part in (inherited, found.get("Attributes", "")) if part)
    lines = [f"## {entry.name}", "", "```python", _signature(entry), "```", "", _markdown(found.pop("")), ""]
    for heading, text in found.items():
        lines += [f"**{heading}**", ""]
        lines += [*_listed(heading, text), ""] if heading in LISTS else [_markdown(text), ""]
    if isinstance(entry.node, ast.ClassDef):
        lines += _methods(entry.node)
    return "\n".join(lines)


def _listed(heading: str, text: str) -> Iterator[str]:
    for name, kind, description in entries(text):
        label = f"*{name}*" if heading in ("Returns", "Raises") else f"`{name}`"
        said = " ".join(_markdown(description).split())
        yield f"- {label}{f' (*{_markdown(kind)}*)' if kind else ''}{f': {said}' if said else ''}"


def _methods(node: ast.ClassDef) -> Iterator[str]:
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
            summary = sections(ast.get_docstring(method) or "")[""]
            yield f"- `.{method.name}()`: {' '.join(_markdown(summary).split())}"
            yield ""


def _signature(entry: Public) -> str:
    if isinstance(entry.node, ast.ClassDef):
        return f"class nph.{entry.name}"
    returns = f" -> {ast.unparse(entry.node.returns)}" if entry.node.returns is not None else ""
    arguments = list(_arguments(entry.node.args))
    line = f"nph.{entry.name}({', '.join(arguments)}){returns}"
    if len(line) <= WIDTH:
        return line
    return f"nph.{entry.name}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){returns}"


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults))
    for argument, default in zip(plain, [*defaults, *arguments.defaults], strict=True):
        yield _argument(argument, default)
    if arguments.vararg is not None:
        yield f"*{ast.unparse(arguments.vararg)}"
    elif arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _argument(argument, default)


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    return ast.unparse(argument) + (f" = {ast.unparse(default)}" if default is not None else "")


def _errors(names: Sequence[Public]) -> str:
    lines = ["## Errors", "", "| error | exit code | meaning |", "|---|---|---|"]
    numbers = _exit_codes()
    codes: dict[str, str] = {}
    for entry in (name for name in names if name.is_error):
        assert isinstance(entry.node, ast.ClassDef)
        own = [
            numbers[ast.unparse(statement.value)]
            for statement in entry.node.body
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "exit_code"
        ]
        inherited = [codes[base.id] for base in entry.node.bases if isinstance(base, ast.Name) and base.id in codes]
        codes[entry.name] = [*inherited, *own][-1]
        lines.append(f"| `{entry.name}` | {codes[entry.name]} | {_markdown(sections(entry.doc)['']).splitlines()[0]} |")
    return "\n".join([*lines, ""])


def _exit_codes() -> dict[str, str]:
    """Return the numbers of the exit codes, by how the source spells them: ``ExitCode.USAGE``."""
    enum = _found("ExitCode", "errors").node
    return {
        f"ExitCode.{ast.unparse(statement.targets[0])}": ast.unparse(statement.value)
        for statement in enum.body
        if isinstance(statement, ast.Assign)
    }


def _markdown(text: str) -> str:
    """Turn the marks of a docstring into those of a page: roles, double backticks and pages."""
    text = re.sub(r":[a-z]+:`~?([^`]+)`", _reference, text)
    text = re.sub(r"(?<![\[/])\bSECURITY\.md\b", "[SECURITY.md](../SECURITY.md)", text)
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    return re.sub(r"^((?:>>>|\.\.\. ).*(?:\n(?!\n).*)*)", r"```python\n\1\n```", text, flags=re.MULTILINE)


def _reference(match: re.Match[str]) -> str:
    """Return what a role refers to: a link, if it is a function with a section on this page."""
    name = match[1].rpartition(".")[2]
    functions = {entry.name for entry in public() if isinstance(entry.node, ast.FunctionDef)}
    return f"[`{name}`](#{name})" if name in functions else f"`{name}`"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or say whether it is current."""
    parser = argparse.ArgumentParser(prog="python -m tools.api_docs")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the page is stale")
    text = page()
    if not parser.parse_args(arguments).check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.relative_to(ROOT)} is stale: python -m tools.api_docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

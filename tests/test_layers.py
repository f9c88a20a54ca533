"""The structure of the package: what may import what, what is state, how large things are.

Reads the sources; imports inside functions count like those at the top.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "nemo_partial_hydra"
NAME = PACKAGE.name

# Each may import from those before it; modules of one place may import each other, but not in a circle.
ORDER = (
    ("errors", "messages", "atomic"),
    ("recipes",),
    ("signatures",),
    ("dialect",),
    ("policy",),
    ("libraries",),
    ("runtime",),
    ("jobs",),
    ("composition",),
    ("export", "listing"),
    ("explorer",),
    ("app",),
    ("launchers",),
    ("analysis",),
    ("api",),
    ("cli",),
)
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
TOP = {"__init__", "api", "errors", "messages", "atomic"}
IN_IMAGE = [name for names in ORDER[: [names[0] for names in ORDER].index("jobs") + 1] for name in names]
NOT_IN_IMAGE = {"hydra", "omegaconf", "rich", "submitit", "torch", "textual"}
STDLIB_ONLY = ("errors", "messages", "atomic", "recipes", "signatures", "policy", "libraries")
OPTIONAL = {"docstring_parser": "signatures", "yaml": "dialect", "fiddle": "runtime"}

MAX_MODULE, MAX_FUNCTION, MAX_IGNORES = 350, 60, 9

# Every module-level name that holds state, and why it may.
STATE: dict[str, str] = {
    "composition.nodes.NODE_CLASSES": "the dataclasses of targets; a cache with a reset",
    "composition.registry.REGISTRY": "the one registry, as Hydra has one: modules register in it when imported",
    "runtime.session._SCOPE": "the context variable that tells which app the code that runs now belongs to",
    "runtime.workspace.WORKSPACE": "the workspace of the process, for code outside of any nph.main app",
}
MUTATORS = frozenset(
    "add append appendleft clear discard extend insert pop popitem popleft remove setdefault sort update set".split()
)


def sources() -> list[Path]:
    """Return the package's modules; recipe libraries hold none."""
    return sorted(path for path in PACKAGE.rglob("*.py") if "nemo_library" not in path.parts)


def dotted(path: Path) -> str:
    """Return a module's name below the package: ``jobs.layout``; ``jobs`` for a folder's ``__init__``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def modules() -> frozenset[str]:
    return frozenset(dotted(path) for path in sources())


def imports(path: Path, *, types: bool = False) -> Iterator[tuple[str, int]]:
    """Yield what a module imports, by full dotted name, with the line; what only type checkers see is left out."""
    here = [NAME, *dotted(path).split(".")]
    package = here if path.name == "__init__.py" else here[:-1]
    skipped: set[ast.AST] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not types:
            skipped.update(child for statement in node.body for child in ast.walk(statement))
    for node in ast.walk(parsed(path)):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{start}.{alias.name}"
                inside = full.removeprefix(f"{NAME}.")
                yield (full if full.startswith(NAME) and inside in modules() else start), node.lineno


def internal(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the package's own modules that a module imports."""
    for name, line in imports(path):
        if name == NAME or name.startswith(f"{NAME}."):
            yield name.removeprefix(NAME).lstrip(".") or "__init__", line


def level(module: str) -> int:
    return LEVEL[module.split(".", maxsplit=1)[0]]


def test_only_these_stand_at_the_top() -> None:
    files = {path.stem for path in PACKAGE.glob("*.py")}
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert files <= TOP
    assert folders <= {*LEVEL, "nemo_library"}
    assert not folders & {"recipe", "store", "run", "build", "paths", "main", "raw", "freeze"}


def test_imports_go_one_way() -> None:
    wrong = [
        f"{dotted(path)}:{line} imports {name}"
        for path in sources()
        if path.parent != PACKAGE or path.stem in LEVEL
        for name, line in internal(path)
        if (name != "__init__" and level(name) > level(dotted(path)))
        or (
            name != "__init__"
            and level(name) == level(dotted(path))
            and name.split(".")[0] != dotted(path).split(".")[0]
            and level(name) > 0
        )
    ]
    assert not wrong, "\n".join(wrong)


def test_no_import_runs_in_a_circle() -> None:
    graph = {
        dotted(path): {name for name, _ in internal(path) if name not in (dotted(path), "__init__")}
        for path in sources()
        if dotted(path) != "__init__"
    }
    done: set[str] = set()
    circles: list[str] = []

    def visit(module: str, trail: tuple[str, ...]) -> None:
        if module in trail:
            circles.append(" -> ".join([*trail[trail.index(module) :], module]))
        elif module not in done:
            for other in sorted(graph.get(module, ())):
                visit(other, (*trail, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())
    assert not circles, "\n".join(circles)


def test_what_runs_in_an_image_needs_little() -> None:
    wrong = [
        f"{dotted(path)}:{line} imports {name}"
        for path in sources()
        if dotted(path).split(".")[0] in IN_IMAGE
        for name, line in imports(path)
        if name.split(".")[0] in NOT_IN_IMAGE
    ]
    assert not wrong, "\n".join(wrong)


def test_the_lowest_layers_need_the_standard_library_only() -> None:
    import sys

    wrong = [
        f"{dotted(path)}:{line} imports {name}"
        for path in sources()
        if dotted(path).split(".")[0] in STDLIB_ONLY
        for name, line in imports(path)
        if name.split(".")[0] not in {*sys.stdlib_module_names, NAME}
        and OPTIONAL.get(name.split(".")[0]) != dotted(path).split(".")[0]
    ]
    assert not wrong, "\n".join(wrong)


def state_of(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the module-level names that hold something which changes, with the line."""
    tree = parsed(path)
    changed = set(changed_names(tree)) - set(local_names(tree))
    for statement in tree.body:
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
            continue
        function = statement.value.func if isinstance(statement.value, ast.Call) else None
        maker = ast.unparse(function).rpartition(".")[2] if function is not None else ""
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for name in (one for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)):
            if name.id in changed or maker in mutable_classes() or maker in ("ContextVar", "count", "local", "Lock"):
                yield f"{dotted(path)}.{name.id}", statement.lineno


def changed_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names whose objects are changed somewhere: by a method, by an assignment to a part, by ``global``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names
        method = node.func if isinstance(node, ast.Call) else None
        part: ast.expr | None = None
        if isinstance(method, ast.Attribute) and method.attr in MUTATORS:
            part = method.value
        elif isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            part = node.value
        if isinstance(part, ast.Name):
            yield part.id


def local_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names of arguments and of what functions assign."""
    for function in (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Lambda))):
        yield from (argument.arg for argument in [*function.args.args, *function.args.kwonlyargs])
        declared = {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in declared:
                yield node.id


@functools.cache
def mutable_classes() -> frozenset[str]:
    """Return the names of the package's classes whose instances can change: no enum, no named tuple, not frozen."""
    found: set[str] = set()
    for path in sources():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base).split(".")[-1] for base in node.bases}
                frozen = any("frozen=True" in ast.unparse(one) for one in node.decorator_list)
                methods = {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
                if (
                    not frozen
                    and not bases & {"Enum", "IntEnum", "NamedTuple", "Protocol", "type"}
                    and "__init__" in methods
                ) or (not frozen and any("dataclass" in ast.unparse(one) for one in node.decorator_list)):
                    found.add(node.name)
    return frozenset(found)


def test_state_lives_in_objects() -> None:
    found = {name: line for path in sources() for name, line in state_of(path)}
    assert found.keys() == STATE.keys(), "\n".join(f"{name} (line {line})" for name, line in sorted(found.items()))


@pytest.mark.parametrize("path", sources(), ids=dotted)
def test_a_module_is_one_idea(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_MODULE
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(parsed(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION
    ]
    assert not long
    assert ast.get_docstring(parsed(path)), "a module says what it is for"


def test_few_places_silence_a_tool_and_each_says_why() -> None:
    texts = [
        (path, number, line)
        for path in sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]
    ignores = [f"{path.name}:{number}" for path, number, line in texts if "type: ignore" in line]
    assert len(ignores) <= MAX_IGNORES, ignores
    bare = [
        f"{path.name}:{number}"
        for path, number, line in texts
        if re.search(r"#\s*noqa", line) and not re.search(r"#\s*noqa: [A-Z0-9, ]+\s+#\s*\S", line)
    ]
    assert not bare, bare

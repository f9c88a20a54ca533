"""What the source of a module says of how it comes to be what it is: what it imports, and what it reads besides code.

May import: the standard library only. Only the text is read. What it reads counts where it is imported: in statements
of the module and of its classes, and in the functions of the module that these name.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

# Names by which a module may import what its text does not name.
_DYNAMIC = frozenset(
    "importlib import_module __import__ exec eval runpy pkgutil entry_points load_entry_point import_string locate "
    "get_object get_class get_method get_static_method".split()
)
_EFFECTS = frozenset(("register_new_resolver", "register_resolver", "ConfigStore"))
_VARIABLES = frozenset(("environ", "environb", "getenv", "getenvb"))
_FILES = frozenset(
    "open read_text read_bytes listdir scandir iterdir glob rglob exists is_file is_dir isfile isdir files".split()
)
_HOST = frozenset(("is_available", "device_count", "cpu_count", "gethostname", "getfqdn", "uname", "node", "getuser"))
_UNSEEN = frozenset(("argv", "getcwd", "cwd"))  # other ones in each process
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class ModuleCode(NamedTuple):
    """What is seen of a module's source.

    Attributes
    ----------
    imports : the names that it imports, those from other modules that may be modules included.
    dynamic : whether it may import others besides.
    effects : whether its import changes what Hydra or OmegaConf know.
    variables : the variables of the environment that it names.
    files, host : whether its import reads files, or what the machine has.
    open_ended : whether what its import reads cannot be told.
    """

    imports: Sequence[str] = ()
    dynamic: bool = True
    effects: bool = False
    variables: Sequence[str] = ()
    files: bool = False
    host: bool = False
    open_ended: bool = False


def code_of(name: str, file: str) -> ModuleCode:
    """Read the source of a loaded module; of an extension, or what is no text, nothing is seen."""
    try:
        with open(file, "rb") as stream:
            tree = ast.parse(stream.read())
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return ModuleCode()
    package = str(getattr(sys.modules.get(name), "__package__", None) or "")
    imports = list(_imports(tree, package))
    said = {*_said(ast.walk(tree)), *(part for imported in imports for part in imported.split("."))}
    imported = list(_when_imported(tree))
    then = set(_said(imported))
    variables, whole = _variables(imported)
    return ModuleCode(
        imports,
        bool(said & _DYNAMIC),
        bool(said & _EFFECTS),
        sorted({*variables, *_variables(ast.walk(tree))[0]}),
        bool(then & _FILES),
        bool(then & _HOST),
        whole or bool(then & _UNSEEN),
    )


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            with contextlib.suppress(ImportError):  # it leads out of its package, and could not be imported either
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                yield from (base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*"))
                if any(alias.name == "*" for alias in node.names):
                    yield from (loaded for loaded in list(sys.modules) if loaded.startswith(f"{base}."))


def _said(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def _when_imported(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that count when a module is imported, those of its functions that may be called then included."""
    functions = {
        node.name: node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, (ast.Name, ast.Attribute)):
            called = functions.pop(node.id if isinstance(node, ast.Name) else node.attr, None)
            waiting += ast.iter_child_nodes(called) if called is not None else ()
        if isinstance(node, _FUNCTIONS):
            waiting += [node.args, *getattr(node, "decorator_list", ())]  # defaults, and who changes the function
        else:
            waiting += ast.iter_child_nodes(node)


def _variables(nodes: Iterable[ast.AST]) -> tuple[set[str], bool]:
    """Return the variables of the environment that nodes name, and whether they read others that they do not name."""
    found: set[str] = set()
    known: set[int] = set()  # the mentions of which it is told what they read
    mentions: dict[int, ast.AST] = {}
    for node in nodes:
        if _mentions(node):
            mentions[id(node)] = node
        where, key = _read_of(node)
        if where is None:
            continue
        known.add(id(where))
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            found.add(key.value)
        elif key is not None:
            known.discard(id(where))
    return found, not mentions.keys() <= known


def _mentions(node: ast.AST | None) -> bool:
    return (isinstance(node, ast.Name) and node.id in _VARIABLES) or (
        isinstance(node, ast.Attribute) and node.attr in _VARIABLES
    )


def _read_of(node: ast.AST) -> tuple[ast.AST | None, ast.AST | None]:
    """Return where a node reads or sets a variable of the environment, and the key; no key where it only sets it."""
    if isinstance(node, ast.Subscript) and _mentions(node.value):
        return node.value, None if isinstance(node.ctx, (ast.Store, ast.Del)) else node.slice
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and _mentions(node.comparators[0]):
        return node.comparators[0], node.left
    if isinstance(node, ast.Call) and node.args:
        function = node.func
        if _mentions(function):
            return function, node.args[0]  # getenv("NAME")
        if isinstance(function, ast.Attribute) and _mentions(function.value):
            return function.value, None if function.attr == "update" else node.args[0]  # environ.get("NAME")
    return None, None

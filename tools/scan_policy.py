"""Lists what of the packages that recipes may name is dangerous and not denied: reads sources, imports nothing.

Usage: python tools/scan_policy.py [--naming] [SITE-PACKAGES]. For each public function or class whose body unpickles,
imports by name, starts a process or fetches, one line: its name, the call, the line. With ``--naming`` those that take
data for a name: one line for each argument that is imported, looked up or instantiated, in the body or by a method
that finds it in an attribute. Most are methods or only use what is found; what is left is for a person to judge and to
put into ``nemo_partial_hydra/policy/rules.py``.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from nemo_partial_hydra.policy.names import refusal
from nemo_partial_hydra.policy.rules import BUILT_IN, NAMING, NAMING_OF

CALLS = frozenset(
    "eval exec compile __import__ import_module exec_module instantiate get_class get_object locate "
    "import_class_by_path pickle.load pickle.loads torch.load joblib.load dill.load dill.loads cloudpickle.loads "
    "torch.jit.load np.load os.system os.popen subprocess.run subprocess.call subprocess.check_call "
    "subprocess.check_output subprocess.Popen urlopen urlretrieve requests.get wget.download hf_hub_download "
    "snapshot_download from_pretrained load_dataset load_from_checkpoint restore_from yaml.load yaml.unsafe_load "
    "yaml.full_load ctypes.CDLL load_library".split()
)
# What makes an object of a text, or of data that has one: the text is a name, whoever chose it.
NAMES = frozenset(
    "__import__ build_module class_path dynamic_import eval exec find_class fdl_dc from_config from_config_dict "
    "get_class get_method get_module get_object get_registered import_class import_class_by_path import_module "
    "import_string instantiate instantiate_class load_json load_yaml locate resolve_name run_module run_path "
    "safe_import safe_import_from safe_instantiate".split()
)


def called(node: ast.expr) -> str:
    """Spell what a call calls: ``torch.load``."""
    if isinstance(node, ast.Attribute):
        return f"{called(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def dangerous(tree: ast.AST, name: str) -> Iterator[tuple[str, str, int]]:
    """Yield the function or class, the call and its line for each dangerous call below a node."""
    for child in ast.iter_child_nodes(tree):
        inner = name
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner = f"{name}.{child.name}"
        elif isinstance(child, ast.Call):
            text = called(child.func)
            if CALLS & {text, ".".join(text.split(".")[-2:]), text.rpartition(".")[2]}:
                yield name, text, child.lineno
        yield from dangerous(child, inner)


Function = ast.FunctionDef | ast.AsyncFunctionDef


def naming(tree: ast.AST, name: str) -> Iterator[tuple[str, str, int]]:
    """Yield the function or class, its argument and the call, and the line, where an argument is taken for a name."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, Function):
            for argument, text, line in _named(child, _arguments(child)):
                yield f"{name}.{child.name}", f"{argument} -> {text}", line
        elif isinstance(child, ast.ClassDef):
            inner = f"{name}.{child.name}"
            fields = _fields(child)
            for method in child.body:
                if isinstance(method, Function):
                    known = fields | (_arguments(method) if method.name in ("__init__", "__call__") else {})
                    for argument, text, line in _named(method, known):
                        yield inner, f"{argument} -> {text}", line
            yield from naming(child, inner)


def _arguments(function: Function) -> dict[str, str]:
    """Return the arguments of a function, by how its body spells them."""
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {each.arg: each.arg for each in every if each is not None and each.arg not in ("self", "cls")}


def _fields(owner: ast.ClassDef) -> dict[str, str]:
    """Return the arguments of a class by the attributes that hold them: the fields of a dataclass, what it assigns."""
    found: dict[str, str] = {}
    for node in owner.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[f"self.{node.target.id}"] = node.target.id
        if isinstance(node, Function) and node.name == "__init__":
            arguments = _arguments(node)
            for inner in ast.walk(node):
                if isinstance(inner, ast.Assign):
                    used = _used(inner.value, arguments)
                    found.update({called(target): used[0] for target in inner.targets if used})
    return {attribute: argument for attribute, argument in found.items() if attribute.startswith("self.")}


def _named(function: Function, known: dict[str, str]) -> Iterator[tuple[str, str, int]]:
    """Yield which of the known values a function takes for a name, by which call; what is made of one counts too."""
    known = dict(known)
    for node in ast.walk(function):
        if isinstance(node, (ast.Assign, ast.For)):
            value, targets = (node.value, node.targets) if isinstance(node, ast.Assign) else (node.iter, [node.target])
            used = _used(value, known)
            names = [each for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
            known.update({each.id: used[0] for each in names if used})
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            text = called(node.func)
            last = text.rpartition(".")[2]
            # getattr(module, name): of a module, or of what is found by one
            looked_up = last == "getattr" and len(node.args) > 1 and _is_module(node.args[0])
            given = node.args[1:2] if looked_up else [*node.args, *(word.value for word in node.keywords)]
            if looked_up or last in NAMES:
                for argument in dict.fromkeys(each for value in given for each in _used(value, known)):
                    yield argument, f"getattr({called(node.args[0])})" if looked_up else text, node.lineno


def _is_module(node: ast.expr) -> bool:
    """Whether an expression may be a module: a name that is no local object of the usual kinds."""
    text = called(node)
    return text in ("torch", "torch.nn", "torch.nn.functional", "torch.optim", "F", "nn", "np", "sys", "module") or (
        isinstance(node, ast.Call) and called(node.func).rpartition(".")[2] == "import_module"
    )


def _used(value: ast.AST, known: dict[str, str]) -> list[str]:
    """Return the arguments that an expression uses."""
    spelled = [called(each) for each in ast.walk(value) if isinstance(each, (ast.Name, ast.Attribute))]
    return [known[text] for text in dict.fromkeys(spelled) if text in known]


def is_listed(name: str, finding: str) -> bool:
    """Whether the rules have an argument for a name already."""
    argument = finding.partition(" -> ")[0]
    return argument in NAMING or argument in NAMING_OF.get(name.rpartition(".")[2], ())


def main(site: Path, *, names: bool) -> None:
    """Print the findings."""
    allowed = set(BUILT_IN)
    for top in sorted({prefix.partition(".")[0] for prefix in BUILT_IN}):
        for path in sorted((site / top).rglob("*.py")):
            module = ".".join(path.relative_to(site).with_suffix("").parts).removesuffix(".__init__")
            try:
                tree = ast.parse(path.read_text(encoding="utf-8"))
            except (SyntaxError, UnicodeDecodeError):
                continue
            for name, text, line in (naming if names else dangerous)(tree, module):
                if refusal(name, allowed) is None and not (names and is_listed(name, text)):
                    print(f"{name}: {text} (line {line})")


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--naming"]
    main(Path(words[0] if words else sysconfig.get_path("purelib")), names="--naming" in sys.argv)

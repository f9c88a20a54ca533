"""Lists what of the packages that recipes may name is dangerous and not denied: reads sources, imports nothing.

Usage: python tools/scan_policy.py [SITE-PACKAGES]. For each public function or class whose body unpickles, imports by
name, starts a process or fetches, one line: its name, the call, the line. Most are methods or only use what is found;
what is left is for a person to judge and to put into ``nemo_partial_hydra/policy/rules.py``.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from nemo_partial_hydra.policy.policy import refusal
from nemo_partial_hydra.policy.rules import BUILT_IN

CALLS = frozenset(
    "eval exec compile __import__ import_module exec_module instantiate get_class get_object locate "
    "import_class_by_path pickle.load pickle.loads torch.load joblib.load dill.load dill.loads cloudpickle.loads "
    "torch.jit.load np.load os.system os.popen subprocess.run subprocess.call subprocess.check_call "
    "subprocess.check_output subprocess.Popen urlopen urlretrieve requests.get wget.download hf_hub_download "
    "snapshot_download from_pretrained load_dataset load_from_checkpoint restore_from yaml.load yaml.unsafe_load "
    "yaml.full_load ctypes.CDLL load_library".split()
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


def main(site: Path) -> None:
    """Print the findings."""
    allowed = set(BUILT_IN)
    for top in sorted({prefix.partition(".")[0] for prefix in BUILT_IN}):
        for path in sorted((site / top).rglob("*.py")):
            module = ".".join(path.relative_to(site).with_suffix("").parts).removesuffix(".__init__")
            try:
                tree = ast.parse(path.read_text(encoding="utf-8"))
            except (SyntaxError, UnicodeDecodeError):
                continue
            for name, text, line in dangerous(tree, module):
                if refusal(name, allowed) is None:
                    print(f"{name}: {text} (line {line})")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else sysconfig.get_path("purelib")))

"""What a recipe may name: default-deny, owned by the runner, checked before anything is imported.

May import: the standard library only. A YAML file can name any callable; a text never adds trust. Trust comes
from the built-in list for the NeMo stack, entry points of installed recipe libraries, the app's own package,
``nph.main(allow=...)`` and ``nemo-hydra --allow``; capturing a live object trusts its package in this process.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import libraries
from .errors import Path, PolicyError, RecipeError, placed
from .names import public, resolve
from .reading import KeptSeq
from .tree import Call, Ref, Tree, walk

BUILT_IN = (
    "nemo",
    "nemo_run",
    "megatron",
    "lightning",
    "pytorch_lightning",
    "torch",
    "transformer_engine",
    "modelopt",
    "transformers.models.qwen2_vl.image_processing_qwen2_vl.Qwen2VLImageProcessor",  # in NeMo's own vlm recipes
)
# Standard-library and builtin names that only make values.
HARMLESS = frozenset(
    "builtins.None builtins.bool builtins.bytes builtins.bytes.fromhex builtins.complex builtins.dict builtins.float "
    "builtins.frozenset builtins.int builtins.list builtins.range builtins.set builtins.str builtins.str.strip "
    "builtins.tuple collections.OrderedDict decimal.Decimal datetime.timedelta datetime.datetime datetime.date "
    "datetime.time datetime.datetime.fromisoformat datetime.date.fromisoformat datetime.time.fromisoformat "
    "fractions.Fraction uuid.UUID pathlib.Path pathlib.PosixPath pathlib.PurePath pathlib.PurePosixPath "
    "pathlib.PureWindowsPath".split()
)
# Inside the allowed packages: what loads pickles, runs code, compiles or fetches.
DENIED = (
    "torch.load",
    "torch.jit",
    "torch.hub",
    "torch.package",
    "torch.serialization",
    "torch.storage",
    "torch.utils.cpp_extension",
    "torch.utils.collect_env",
    "torch.utils.model_zoo",
    "torch.distributed.run",
    "torch.distributed.launch",
    "torch.distributed.launcher",
    "torch.distributed.elastic",
    "torch.distributed.rpc",
    "torch.multiprocessing",
    "torch.classes",
    "torch.ops",
    "torch.compiler",
    "torch.testing",
    "torch.fx",
    "lightning.pytorch.cli",
    "lightning.fabric.cli",
    "lightning.app",
    "nemo.utils.model_utils",
    "nemo_run.core.serialization",
    "nemo_run.cli",
    "nemo_run.run",
    "megatron.core.dist_checkpointing.serialization.load_plain_tensors",
)

_trusted: set[str] = set()


def trust(names: Iterable[str]) -> None:
    """Add what the runner allows in this process: dotted prefixes."""
    _trusted.update(name for name in names if name)


def trust_live(target: str) -> None:
    """Trust where a live object came from: its top-level package; of the standard library that name only."""
    top = target.partition(".")[0]
    stdlib = top in sys.stdlib_module_names or top == "builtins"
    _trusted.add(target if stdlib or not public(target) else top)
    if not stdlib:
        _trusted.add(top)


def within(name: str, prefix: str) -> bool:
    """Whether a dotted name is a prefix or stands below it, on module boundaries."""
    return name == prefix or name.startswith(prefix + ".")


def allowed_prefixes(allow: Iterable[str] = ()) -> set[str]:
    """Return every prefix that is allowed in this process."""
    return {*BUILT_IN, *_trusted, *allow, *(point.package for point in libraries.points())}


def refusal(target: str, prefixes: Iterable[str]) -> str | None:
    """Say why a name is refused, with the line that would allow it; None if it is allowed."""
    known = set(prefixes)
    if target in HARMLESS or target in known:
        return None
    denied = next((prefix for prefix in DENIED if within(target, prefix)), None)
    if denied is not None:
        return f"'{target}' is refused: '{denied}' can run code or load pickles; to allow it: allow=['{target}']"
    if not public(target):
        return f"'{target}' is refused: it has a private part; to allow it: allow=['{target}']"
    top = target.partition(".")[0]
    stdlib = top in sys.stdlib_module_names or top == "builtins"
    if any(within(target, prefix) for prefix in known) and not stdlib:
        return None
    line = target if stdlib else target.rpartition(".")[0] or target
    return f"'{target}' is not in an allowed package; to allow it: nph.main(allow=['{line}']), or --allow {line}"


def check_names(found: Iterable[tuple[Path, Any]], allow: Iterable[str] = ()) -> None:
    """Check names before anything is imported; all refusals in one report.

    Raises
    ------
    PolicyError
        With the path of each refused target and the line that would allow it.
    """
    prefixes = allowed_prefixes(allow)
    lines: list[str] = []
    for path, target in found:
        text = refusal(target, prefixes) if isinstance(target, str) else None  # what is no text names nothing
        if text is not None:
            lines.append(placed(path, text))
    report(lines)


def report(refusals: Iterable[str]) -> None:
    """Raise all refusals as one error; do nothing when there is none."""
    lines = list(dict.fromkeys(refusals))
    if len(lines) == 1:
        raise PolicyError(lines[0])
    if lines:
        raise PolicyError("\n  - ".join([f"{len(lines)} targets are refused:", *lines]))


def check_tree(tree: Tree, allow: Iterable[str] = ()) -> None:
    """Check every target and reference of a tree before the first import."""
    check_names(((path, node.target) for path, node in walk(tree) if isinstance(node, (Call, Ref))), allow)


def names_in(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every ``_target_`` of plain data with its path."""
    if isinstance(data, Mapping):
        if "_target_" in data:
            yield path, data["_target_"]
        for key, value in data.items():
            yield from names_in(value, (*path, key))
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            yield from names_in(value, (*path, index))
    elif isinstance(data, KeptSeq):
        yield from names_in(data.items, path)


def load(target: str, allow: Iterable[str] = ()) -> Any:
    """Import an allowed name and check where the object really lives (``logging.os.system`` is ``os.system``).

    Raises
    ------
    PolicyError
        If the object is a module, or its own module and name are not allowed.
    """
    prefixes = allowed_prefixes(allow)
    text = refusal(target, prefixes)
    if text is not None:
        raise PolicyError(text)
    refuse_detours(target, prefixes)
    obj = resolve(target)
    if isinstance(obj, type(sys)):
        raise PolicyError(f"'{target}' is a module; a target is a function, a class or a constant")
    if isinstance(obj, types.BuiltinMethodType) and not isinstance(obj.__self__, (type, type(sys), type(None))):
        raise PolicyError(f"'{target}' is a method of one object; a target is a function, a class or a constant")
    module, name = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str) and target not in HARMLESS and target not in prefixes:
        real = f"{module}.{name}"
        if real != target and not _same_home(real, target) and refusal(real, prefixes) is not None:
            raise PolicyError(f"'{target}' is another name of '{real}': {refusal(real, prefixes)}")
    return obj


def refuse_detours(target: str, prefixes: Iterable[str]) -> None:
    """Refuse a name that leads through a module of another package (``mine.sys.modules.clear``)."""
    if target in prefixes:
        return
    parts = target.split(".")
    for cut in range(len(parts) - 1, 1, -1):
        try:
            module = resolve(".".join(parts[:cut]))
        except RecipeError:
            return  # the name itself will say what is missing
        if isinstance(module, type(sys)) and module.__name__ != ".".join(parts[:cut]):
            real = ".".join([module.__name__, *parts[cut:]])
            text = refusal(real, prefixes)
            if text is not None:
                raise PolicyError(f"'{target}' is another name of '{real}': {text}")


def _same_home(real: str, target: str) -> bool:
    """A public name for a private implementation of the same package (``torch.nn.functional.gelu``) is fine."""
    top = real.partition(".")[0]
    denied = any(within(real, prefix) for prefix in DENIED)
    return not denied and top == target.partition(".")[0]

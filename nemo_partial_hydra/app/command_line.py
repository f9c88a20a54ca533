"""A command line of an ``nph.main`` app, composed without running the app: for the listing and for completion.

May import: Hydra's public parts. Hydra's own run would compose twice, set up logging and start the app's callbacks.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from nemo_partial_hydra.composition.compat import initialize_arguments
from nemo_partial_hydra.errors import UsageError

_VALUED = {"--config-name": "name", "-cn": "name", "--config-path": "path", "-cp": "path"}
_PLAIN = {"--multirun": True, "-m": True, "--run": False, "-r": False}


@dataclass(frozen=True)
class Line:
    """The parts of a command line that a composition depends on."""

    overrides: tuple[str, ...]
    multirun: bool = False
    name: str | None = None
    path: str | None = None


def parse(args: list[str], *, others: bool = False) -> Line:
    """Read the arguments that Hydra takes.

    Parameters
    ----------
    others : whether options on which a composition does not depend are passed over.

    Raises
    ------
    UsageError
        For an option that has no meaning here, or that lacks its value.
    """
    found: dict[str, Any] = {"multirun": False}
    overrides: list[str] = []
    rest = list(args)
    while rest:
        arg = rest.pop(0)
        name, equals, value = arg.partition("=")
        if arg in _PLAIN:
            found["multirun"] = _PLAIN[arg]
        elif name in _VALUED:
            if not equals and not rest:
                raise UsageError(f"{name} needs a value")
            found[_VALUED[name]] = value if equals else rest.pop(0)
        elif arg.startswith("-") and others:
            if rest and "=" not in arg + rest[0] and rest[0][:1] not in ("-", "~"):
                rest.pop(0)  # its value: overrides have an equals sign
        elif arg.startswith("-"):
            raise UsageError(f"{arg} cannot be combined with --cfg-paths")
        else:
            overrides.append(arg)
    return Line(tuple(overrides), **found)


def config_folder(function: Callable[..., Any], path: str) -> str:
    """Return an app's config directory; a relative path counts from the decorated function's file."""
    file = os.path.abspath(function.__code__.co_filename)
    return os.path.abspath(os.path.join(os.path.dirname(file), path))


@contextlib.contextmanager
def composed(
    line: Line, function: Callable[..., Any], config_path: str | None, config_name: str | None, version_base: str | None
) -> Iterator[DictConfig]:
    """Compose the config of a command line as Hydra does, its ``hydra`` node included.

    Parameters
    ----------
    line : the command line.
    function : the decorated function; a relative config path counts from its file.
    config_path, config_name, version_base : what ``nph.main`` was given.
    """
    from hydra import initialize, initialize_config_dir, initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    path = line.path or config_path
    base = {**initialize_arguments(version_base), "job_name": _job_name()}
    opened: Any
    if path is None:
        opened = initialize(config_path=None, **base)
    elif path.startswith("pkg://"):
        opened = initialize_config_module(path.removeprefix("pkg://").replace("/", "."), **base)
    else:
        opened = initialize_config_dir(config_folder(function, path), **base)
    with opened:
        mode = RunMode.MULTIRUN if line.multirun else RunMode.RUN
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration(line.name or config_name, list(line.overrides), mode)
        HydraConfig.instance().set_config(config)  # what ${hydra:...} reads
        yield config


def _job_name() -> str:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__").rpartition(".")[2]
    return os.path.splitext(os.path.basename(sys.argv[0]))[0] or "app"

"""NeMo-Run recipes as ordinary Hydra config groups.

Importing this package is light: each name below is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "main": "api",
    "app": "api",
    "store": "api",
    "recipe": "api",
    "raw": "api",
    "to_config": "api",
    "build": "api",
    "run": "api",
    "paths": "api",
    "PathInfo": "listing.record",
    "to_yaml": "api",
    "from_yaml": "api",
    "freeze": "api",
    "results": "analysis.results",
    "Job": "jobs.job",
    "RecipeError": "errors",
    "CaptureError": "errors",
    "ConfigError": "errors",
    "DialectError": "errors",
    "DriftError": "errors",
    "JobError": "errors",
    "LibraryError": "errors",
    "PolicyError": "errors",
    "RefusedError": "errors",
    "RegistrationError": "errors",
    "SignatureError": "errors",
    "ValidationError": "errors",
}

__all__ = ["__version__", *_HOME]  # noqa: PLE0604  # the names are those of the table above

if TYPE_CHECKING:
    from .analysis.results import results as results
    from .api import app as app
    from .api import build as build
    from .api import freeze as freeze
    from .api import from_yaml as from_yaml
    from .api import main as main
    from .api import paths as paths
    from .api import raw as raw
    from .api import recipe as recipe
    from .api import run as run
    from .api import store as store
    from .api import to_config as to_config
    from .api import to_yaml as to_yaml
    from .errors import CaptureError as CaptureError
    from .errors import ConfigError as ConfigError
    from .errors import DialectError as DialectError
    from .errors import DriftError as DriftError
    from .errors import JobError as JobError
    from .errors import LibraryError as LibraryError
    from .errors import PolicyError as PolicyError
    from .errors import RecipeError as RecipeError
    from .errors import RefusedError as RefusedError
    from .errors import RegistrationError as RegistrationError
    from .errors import SignatureError as SignatureError
    from .errors import ValidationError as ValidationError
    from .jobs.job import Job as Job
    from .listing.record import PathInfo as PathInfo


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def load_ipython_extension(ipython: Any) -> None:
    """Have a notebook show recipes as tables; what ``%load_ext nemo_partial_hydra`` calls."""
    from .listing.notebook import load

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Have a notebook show recipes as before; what ``%unload_ext nemo_partial_hydra`` calls."""
    from .listing.notebook import unload

    unload(ipython)

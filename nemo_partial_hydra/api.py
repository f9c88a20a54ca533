"""The public functions, with their documentation; each imports its implementation when it is called.

May import: errors and messages; everything else inside the functions, so that importing the package stays light.
No other module of the package imports this one. docs/api.md is made from what stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import os

    from omegaconf import DictConfig

    from .jobs.job import Job
    from .listing.record import PathInfo

    StrPath = str | os.PathLike[str]

F = TypeVar("F", bound=Callable[..., Any])


def main(
    config_path: str | None = None,
    config_name: str | None = None,
    version_base: str | None = None,
    allow: Iterable[str] = (),
    recipe: str | None = None,
    payload: str = "app",
) -> Callable[[Callable[[Any], Any]], Callable[[], Any]]:
    """Decorate the function of a Hydra app: ``hydra.main`` with typed recipes, checks and ``--cfg-paths``.

    An error in a config or an override ends the process with one message before any directory is created (exit code
    2, or 3 if the policy refuses a target), or is raised with ``HYDRA_FULL_ERROR=1``.

    Parameters
    ----------
    config_path, config_name, version_base : str or None
        As in ``hydra.main``: directory of the configs, name of the primary one, Hydra version whose defaults apply.
    allow : iterable of str
        Dotted prefixes that recipes may name besides the NeMo stack, installed recipe libraries and the
        app's own modules (see SECURITY.md).
    recipe : str or None
        Path of the recipe in the config, if it cannot be found by :func:`build`'s rule.
    payload : str
        What launchers' jobs run: ``app``, this function, as here; or ``recipe``, the recipe alone, without Hydra.

    Returns
    -------
    callable
        A decorator. The decorated function is called without arguments and passes the composed ``DictConfig``.
    """
    from .app.main import main as decorator

    return decorator(config_path, config_name, version_base, allow, recipe, payload)


def app(
    config_path: str | None = None,
    config_name: str | None = None,
    version_base: str | None = None,
    allow: Iterable[str] = (),
    recipe: str | None = None,
) -> Callable[[], Any]:
    """Make a Hydra app whose function is to run the recipe: ``main = nph.app("conf", "train")``.

    Parameters
    ----------
    config_path, config_name, version_base, allow, recipe : str, iterable of str or None
        As for :func:`main`.

    Returns
    -------
    callable
        The app, called without arguments. Its jobs run the recipe alone: their image needs no Hydra.
    """
    from .app.main import recipe_app

    return recipe_app(config_path, config_name, version_base, allow, recipe)


def store(
    partial: Any = None,
    *,
    factory: Callable[..., Any] | None = None,
    group: str | None = None,
    name: str | None = None,
    package: str | None = None,
) -> None:
    """Register a recipe, or a factory of one, as an option of a config group.

    Parameters
    ----------
    partial : run.Partial, run.Config or object
        The recipe; any object that can say how it was made (a dataclass instance, a ``functools.partial``) is one.
    factory : callable or None
        In its place, a function that makes it; what :func:`recipe` decorates.
    group, name, package : str or None
        Config group, like ``model`` or ``job/import``, None for a primary config; name of the option, None for that of
        the target; where it is placed in the composed config, None for the group's own package.

    Raises
    ------
    RegistrationError
        If the name is missing, cannot be that of an option, or is registered elsewhere already.
    """
    from .composition.registry import REGISTRY, caller

    REGISTRY.store(partial, group, name, package, factory=factory, origin=caller())


def recipe(*, group: str | None = None, name: str | None = None, package: str | None = None) -> Callable[[F], F]:
    """Register a factory of a recipe as an option of a config group; it is called only if the option is chosen.

    Parameters
    ----------
    group, name, package : str or None
        As for :func:`store`; the name is by default that of the factory.

    Returns
    -------
    callable
        A decorator that returns the factory as it is; its parameters are paths: ``model._factory_.num_nodes=4``.

    Raises
    ------
    RegistrationError
        When the factory is decorated: if the name cannot be that of an option, or is registered elsewhere already.
    """
    from .composition.registry import REGISTRY, caller

    return REGISTRY.factory(group, name, package, origin=caller())


def raw(value: Any) -> Any:
    """Keep a value as one opaque leaf of a recipe, without paths for its parts.

    Parameters
    ----------
    value : object
        Any object. It lives in this process only: :func:`to_yaml`, :func:`freeze` and the launchers refuse it.

    Returns
    -------
    object
        A mark to put into the recipe; :func:`build` gives the value itself back.
    """
    from .recipes.capture import Raw

    return Raw(value)


def to_config(partial: Any, *, auto: bool = True) -> DictConfig:
    """Turn a recipe into a structured config with one typed field for every parameter; :func:`build` is the way back.

    Parameters
    ----------
    partial : run.Partial, run.Config or object
        The recipe.
    auto : bool
        Whether objects in it become nodes by themselves; if not, they stay opaque like :func:`raw` values.

    Returns
    -------
    DictConfig
        The config, a root.

    Raises
    ------
    CaptureError
        With the path, for a value that has no form in the dialect (a lambda, an open file).
    """
    from .composition.encode import to_config as implementation

    return implementation(partial, auto=auto)


def build(cfg: Any, *, allow: Iterable[str] = ()) -> Any:
    """Build the ``run.Partial`` or ``run.Config`` that a composed config describes.

    The recipe is the root of the config if that has ``_target_``; else the only top-level node with
    ``_partial_: true``; else the only one with ``_target_``.

    Parameters
    ----------
    cfg : DictConfig or dict
        The composed config.
    allow : iterable of str
        Dotted prefixes that it may name besides what is allowed already.

    Returns
    -------
    run.Partial or run.Config
        Equal to the one that was registered, with the overrides applied.

    Raises
    ------
    ConfigError
        If there is not exactly one recipe; it lists the candidates.
    PolicyError
        If it names a target that is not allowed; before anything is imported.
    DriftError
        If it was written for signatures that its targets no longer have.
    ValidationError
        If a target does not accept a value; all errors at once, each with its full path.
    """
    from .composition.building import build as implementation

    return implementation(cfg, allow)


def run(cfg: Any, *, allow: Iterable[str] = ()) -> Any:
    """Make the objects of a recipe and call it: what ``fiddle.build(...)()`` does, without needing fiddle or nemo_run.

    Parameters
    ----------
    cfg, allow : DictConfig or dict, iterable of str
        As for :func:`build`.

    Returns
    -------
    object
        What the recipe's function returns; of a ``run.Config``, the object.

    Raises
    ------
    ConfigError, PolicyError, DriftError, ValidationError
        As :func:`build`; the last also if a required parameter is not set.
    """
    from .composition.building import run as implementation

    return implementation(cfg, allow)


def paths(cfg: Any, *, allow: Iterable[str] = ()) -> list[PathInfo]:
    """List every path of a config or recipe, set or not: what ``--cfg-paths`` prints.

    Parameters
    ----------
    cfg, allow : DictConfig, dict, run.Partial or run.Config, iterable of str
        The config or recipe; as for :func:`build`.

    Returns
    -------
    list of PathInfo
        One record per path, parents before children; sources need the ``hydra`` node, and Hydra initialized still.

    Raises
    ------
    ValidationError
        If a target does not accept a value. A target that cannot be imported, or is not allowed, is listed as such.
    """
    from .listing.paths import paths as implementation

    return implementation(cfg, allow=allow)


def to_yaml(partial: Any, *, auto: bool = True) -> str:
    """Write a recipe as YAML in the dialect; :func:`from_yaml` is the way back.

    Parameters
    ----------
    partial, auto : run.Partial, run.Config or object, bool
        As for :func:`to_config`.

    Returns
    -------
    str
        The YAML document: only what the recipe sets.

    Raises
    ------
    CaptureError
        With the path, for a value that has no form in the dialect.
    """
    from .dialect.writer import to_data
    from .dialect.yaml import dump
    from .runtime import session

    workspace = session.workspace()
    return dump(to_data(workspace.captured(partial, auto=auto), workspace.signature_of))


def from_yaml(text: str, *, allow: Iterable[str] = ()) -> Any:
    """Read YAML in the dialect and build the ``run.Partial`` or ``run.Config`` that it describes.

    Parameters
    ----------
    text : str
        The YAML document; also one of nemo_run's ``--to-yaml`` or of Megatron-Bridge.
    allow : iterable of str
        Dotted prefixes that it may name besides what is allowed already.

    Returns
    -------
    run.Partial or run.Config
        Equal to the one that was written.

    Raises
    ------
    DialectError
        If it is not YAML of the dialect; with line and column.
    PolicyError
        If it names a target that is not allowed; before anything is imported.
    ValidationError
        If a target does not accept a value; all errors at once, each with its path.
    """
    from .runtime import session
    from .runtime.construct import buildables

    def resolved(data: Any) -> Any:
        from .composition.decode import config_to_tree

        return config_to_tree(data, allow)

    workspace = session.workspace()
    return buildables(workspace.read_yaml(text, allow, resolved=resolved), workspace.policy, allow)


def freeze(cfg: Any, directory: StrPath, *, allow: Iterable[str] = (), image: StrPath | None = None) -> Job:
    """Freeze the recipe of a composed config: write a directory that ``nemo-hydra run`` runs, here or elsewhere.

    Parameters
    ----------
    cfg : DictConfig or dict
        The composed config; its recipe is found as by :func:`build`.
    directory : str or path
        Directory of the job; it is created.
    allow : iterable of str
        Dotted prefixes that the recipe may name besides what is allowed already.
    image : str, path or None
        Container image that the job is for; its path and sha256 are recorded.

    Returns
    -------
    Job
        The job in the directory; if the same job is frozen there already, nothing changes.

    Raises
    ------
    ConfigError, PolicyError, DriftError, ValidationError
        As :func:`run`, and for what another process cannot make again.
    JobError
        If another job is frozen there, or the files cannot be written.
    """
    from .launchers.freeze import freeze as implementation

    return implementation(cfg, directory, allow=allow, image=image)

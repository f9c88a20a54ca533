"""Which options an app has from elsewhere than the recipe libraries: those go first, wherever Hydra looks for them.

The libraries stand on the search path before what Hydra adds to it later: the directories of ``hydra.searchpath`` and
the structured configs of ``ConfigStore``. Hydra takes the first source that has an option; so the libraries say that
they have none that one of the others has. A glob in a sweep means the app's own options where it matches some of them.
"""

from __future__ import annotations

from typing import Any

from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.workspace import Workspace


class OtherSources:
    """The app's directories of configs, and which of them Hydra has added to the search path that it made last."""

    def __init__(self, workspace: Workspace) -> None:
        self._added: list[Any] = []
        self._known: dict[str, Any] = {}

    def begin(self) -> list[Any]:
        """Return the list that the directories of the search path that is now being made are added to."""
        self._added = []
        return self._added

    def add(self, source: Any) -> None:
        """Note the source of a directory."""
        self._known[source.path] = source
        if source.provider.startswith("hydra.searchpath"):
            self._added.append(source)

    def directories(self) -> list[Any]:
        """Return the sources of all directories that the app has read configs from."""
        return [source for source in self._known.values() if source.available()]


def elsewhere(path: str, added: list[Any]) -> bool:
    """Whether a source that is no library has an option.

    Parameters
    ----------
    path : the option's config path.
    added : the directories that Hydra has added to the search path.
    """
    from hydra.core.global_hydra import GlobalHydra

    if any(source.is_config(path) for source in added):
        return True
    if not GlobalHydra.instance().is_initialized():
        return False
    sources = GlobalHydra.instance().config_loader().get_sources()
    return any(source.is_config(path) for source in sources if source.scheme() != session.LIBRARY_SCHEME)


def own_options(group: str, names: list[str], loader: Any) -> list[str]:
    """Return those of a group's options that come from the app; all where none does."""
    own = [name for name in names if not _of_library(f"{group}/{name}", loader)]
    return own or names


def _of_library(path: str, loader: Any) -> bool:
    return any(source.scheme() == session.LIBRARY_SCHEME and source.is_config(path) for source in loader.get_sources())

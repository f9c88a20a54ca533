"""The config sources and the search path entry.

Hydra imports this module in every app of the environment, so it imports nothing but Hydra; the work is done in
``nemo_partial_hydra``, which is imported only where an app uses it.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin


def _session() -> Any:
    """Return the module that knows the running app; the process of a job may belong to an app of another one."""
    from nemo_partial_hydra.composition import handover
    from nemo_partial_hydra.runtime import session

    handover.receive()
    return session


def _workspace() -> Any:
    """Return what the running app knows and allows."""
    return _session().workspace()


def _others() -> Any:
    """Return what the running app has from elsewhere than libraries."""
    from nemo_partial_hydra.composition.other_sources import OtherSources

    return _workspace().of(OtherSources)


def _recorded_scheme() -> str:
    return "file"


def _served() -> Any:
    """Return the recipe files that the running app reads."""
    from nemo_partial_hydra.composition.yaml_files import ServedFiles

    return _workspace().of(ServedFiles)


class RecipeSearchPath(SearchPathPlugin):
    """Adds registered recipes and libraries to the search path of apps that use nemo_partial_hydra, and no others."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        if "nemo_partial_hydra" not in sys.modules:
            return
        session = _session()
        search_path.append("nemo_partial_hydra", f"{session.REGISTRY_SCHEME}://")
        search_path.append("nemo_partial_hydra", f"{session.LIBRARY_SCHEME}://")
        app = session.current()
        if app is None:
            return
        for element in search_path.get_path():
            if element.provider == "main":
                element.path = session.typed_entry(element.path)
        for directory in app.config_dirs:
            search_path.append("command-line", f"{session.FILE_SCHEME}://{directory}")


class Found(ConfigResult):
    """A config that was found; Hydra puts it into dicts of its own where its package is (``model@train.model``)."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "config" and name in self.__dict__:
            from nemo_partial_hydra.composition.file_dicts import of_package

            of_package(value)
        super().__setattr__(name, value)


class RegisteredRecipes(ConfigSource):
    """Recipes that Python code registered with ``store`` or ``@recipe``."""

    @staticmethod
    def scheme() -> str:
        return "nph"

    def _registry(self) -> Any:
        from nemo_partial_hydra.composition.registry import REGISTRY

        _session()
        return REGISTRY

    def available(self) -> bool:
        return not self.path  # there is one, and it has no places in it

    def load_config(self, config_path: str) -> ConfigResult:
        path = self._name(config_path)
        entry = self._registry().get(path)
        if entry is None:
            raise ConfigLoadError(f"Config not found : {config_path}")
        from nemo_partial_hydra.composition import factory_arguments

        config = factory_arguments.config(path)
        if "/" not in path and hasattr(config, "keys"):
            from nemo_partial_hydra.composition.root_keys import RootKeys

            _workspace().of(RootKeys).note(factory_arguments.prototype(path).keys(), [])
        return Found(
            provider=self.provider,
            path=f"{self.scheme()}://{entry.origin}",
            config=config,
            header={"package": entry.package},
        )

    def is_group(self, config_path: str) -> bool:
        return bool(self._registry().is_group(config_path))

    def is_config(self, config_path: str) -> bool:
        return self._registry().get(self._name(config_path)) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        groups, options = self._registry().below(config_path)
        if results_filter is None:
            return sorted({*groups, *options})
        return sorted(groups if results_filter == ObjectType.GROUP else options)

    @staticmethod
    def _name(config_path: str) -> str:
        return config_path.strip("/").removesuffix(".yaml")


class RecipeFiles(ConfigSource):
    """A directory of YAML configs in which every ``_target_`` gets its full signature."""

    @staticmethod
    def scheme() -> str:
        return "nph-file"

    def __init__(self, provider: str, path: str) -> None:
        # "file://" is what it calls itself below.
        super().__init__(provider=provider, path=f"nph-{path}" if path.startswith("file://") else path)
        self.path = os.path.abspath(self.path) if self.path else self.path
        # Hydra records this in hydra.runtime.config_sources, where apps look for the directory of their configs.
        self.scheme = _recorded_scheme  # type: ignore[method-assign]
        _others().add(self)

    def available(self) -> bool:
        return os.path.isdir(self.path)

    def load_config(self, config_path: str) -> ConfigResult:
        name = self._normalize_file_name(config_path).lstrip("/")
        inner = self._skeleton_of(name)
        full = os.path.join(self.path, inner or name)
        if not os.path.isfile(full):
            raise ConfigLoadError(f"Config not found : {full}")
        primary = "/" not in (inner or name)
        if inner is not None:
            config = _served().read_skeleton(full, inner, primary=primary)
            return Found(self.provider, self.full_path(), config, {"package": None})
        self._refuse_clash(name)
        config, head = _served().read(full, name, primary=primary)
        return Found(self.provider, self.full_path(), config, self._get_header_dict(head))

    def _refuse_clash(self, name: str) -> None:
        """An option of a library on the search path must not hide that of another; the app's own configs may."""
        from nemo_partial_hydra.libraries import manifest

        if self.provider != "main" and manifest.is_library(self.path):
            _workspace().catalog.the_one(name)

    def is_group(self, config_path: str) -> bool:
        return os.path.isdir(os.path.join(self.path, config_path.lstrip("/")))

    def is_config(self, config_path: str) -> bool:
        name = self._normalize_file_name(config_path).lstrip("/")
        return os.path.isfile(os.path.join(self.path, self._skeleton_of(name) or name))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        found: list[str] = []
        for name in os.listdir(os.path.join(self.path, config_path.lstrip("/"))):
            self._list_add_result(
                files=found,
                file_path=os.path.join(config_path, name),
                file_name=name,
                results_filter=results_filter,
            )
        return sorted(set(found))

    @staticmethod
    def _skeleton_of(name: str) -> str | None:
        prefix = "nph_signature/"
        return name[len(prefix) :] if name.startswith(prefix) else None


class RecipeLibraries(ConfigSource):
    """All recipe libraries in use: the one that is shipped, those of installed packages, and the app's own."""

    @staticmethod
    def scheme() -> str:
        return "nph-library"

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider=provider, path=path)
        self._added = _others().begin()

    def available(self) -> bool:
        return not self.path  # there is one, and it has no places in it

    def load_config(self, config_path: str) -> ConfigResult:
        name = self._normalize_file_name(config_path).lstrip("/")
        library = _workspace().catalog.the_one(name)
        if library is None:
            raise ConfigLoadError(f"Config not found : {config_path}")
        config, head = _served().read(library.file(name), name, primary=False)
        return Found(self.provider, self.full_path(), config, self._get_header_dict(head))

    def is_group(self, config_path: str) -> bool:
        from nemo_partial_hydra.composition.root_keys import RootKeys

        workspace = _workspace()
        return workspace.catalog.is_group(config_path) and not workspace.of(RootKeys).is_value(config_path.strip("/"))

    def is_config(self, config_path: str) -> bool:
        if not _workspace().catalog.having(config_path):
            return False
        from nemo_partial_hydra.composition.other_sources import elsewhere

        return not elsewhere(config_path, self._added)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        app = _session().current()
        if app is not None and not config_path.strip("/"):
            from nemo_partial_hydra.listing import completion

            # The help of an app lists its own groups, and counts those of libraries after them; a shell that asks for
            # any word gets the app's own, and those of libraries for a word that begins like one.
            if app.helps or (app.completes and completion.asks_for_any_word()):
                return []
        groups, options = _workspace().catalog.below(config_path)
        if results_filter is None:
            return sorted({*groups, *options})
        return sorted(groups if results_filter == ObjectType.GROUP else options)

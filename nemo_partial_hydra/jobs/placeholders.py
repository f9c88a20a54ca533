"""What a frozen recipe leaves open: the job's own directory, and values of variables that look like secrets.

May import: the standard library only. Both are written as the interpolations that they are in a config, and put in by
the runner::

    ${hydra:runtime.output_dir}   ${hydra:sweep.dir}   ${oc.env:HF_TOKEN}   ${oc.env:HF_TOKEN,null}

While a recipe is frozen a placeholder stands for each, so that what a config makes of them
(``${hydra:sweep.dir}/data``, ``${paths.out}``) is resolved like anything else.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nemo_partial_hydra.dialect.scalars import escape_interpolation, unescape_interpolation
from nemo_partial_hydra.errors import JobError
from nemo_partial_hydra.messages import Problems
from nemo_partial_hydra.recipes.data import mapped

JOB_DIRECTORY, SWEEP_DIRECTORY = "hydra:runtime.output_dir", "hydra:sweep.dir"
_SECRET = re.compile(
    r"SECRET|PASSW(OR)?D|PASSPHRASE|CREDENTIAL|(TOKEN|KEY)S?\d*(_|$)|(^|_)(AUTH|PASS|PAT)$|_PWD$",
    re.IGNORECASE,
)
_INTERPOLATION = re.compile(
    r"(\\*)\$\{(?:(hydra:runtime\.output_dir|hydra:sweep\.dir)"
    r'|oc\.env:([A-Za-z_][A-Za-z0-9_]*)(?:,(null|"[^"\\$]*"))?)\}'
)
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
UNSET: Any = object()


def is_secret(name: str) -> bool:
    """Whether a variable's name looks as if its value were a secret (``HF_TOKEN``, ``aws_secret_access_key``)."""
    return _SECRET.search(name) is not None


class Placeholders:
    """Texts that stand for what is left open while a recipe is resolved; no other text contains them."""

    def __init__(self) -> None:
        self.id = os.urandom(8).hex()
        self._interpolations: dict[str, str] = {}  # by placeholder, what stands between ``${`` and ``}``

    def directory(self, name: str) -> str:
        """Return the placeholder of a directory, ``JOB_DIRECTORY`` or ``SWEEP_DIRECTORY``: an absolute path."""
        return self._placeholder(f"/nph.{self.id}.{len(name)}", name)

    def variable(self, name: str, default: Any = UNSET) -> str:
        """Return the placeholder of a variable's value.

        Raises
        ------
        JobError
            If its name or default cannot be written.
        """
        text = f"oc.env:{name}"
        if default is not UNSET:
            text += f",{json.dumps(None if default is None else str(default), ensure_ascii=False)}"
        if not _NAME.match(name) or not _INTERPOLATION.fullmatch("${" + text + "}"):
            raise JobError(
                f"${{{text}}}: the value of a secret is not written into a job, and this default cannot be either; "
                "leave it out, or give null"
            )
        return self._placeholder(f"nph.{self.id}.env.{len(self._interpolations)}.", text)

    def _placeholder(self, placeholder: str, interpolation: str) -> str:
        for known, text in self._interpolations.items():
            if text == interpolation:
                return known
        self._interpolations[placeholder] = interpolation
        return placeholder

    def restored(self, data: Any) -> Any:
        """Return plain data in the dialect with the interpolations in the places of their placeholders."""
        return _texts(data, self.restored_text) if self._interpolations else data

    def restored_text(self, text: str) -> str:
        """Return one text with its interpolations; backslashes before one are doubled, which escapes them."""
        for placeholder, interpolation in self._interpolations.items():
            if placeholder in text:
                *before, last = text.split(placeholder)
                text = f"${{{interpolation}}}".join([*map(_doubled, before), last])
        return text


def _doubled(text: str) -> str:
    """Double the backslashes at the end of a text."""
    return text + "\\" * (len(text) - len(text.rstrip("\\")))


def _texts(data: Any, change: Callable[[str], Any]) -> Any:
    return mapped(data, lambda leaf: change(leaf) if isinstance(leaf, str) else leaf)


def expand(
    recipe: Any,
    directory: Path,
    subdir: str,
    environment: Mapping[str, str],
    steps: Callable[[str], Any] | None = None,
) -> Any:
    """Return a frozen recipe with everything put in that was left open.

    Parameters
    ----------
    recipe : the recipe of job.yaml.
    directory : the job's own directory.
    subdir : its place below the sweep's directory.
    environment : where the values of secrets are looked up.
    steps : puts into a text what its references to other steps stand for.

    Raises
    ------
    JobError
        Naming every variable that is not set.
    """
    known = {JOB_DIRECTORY: str(directory), SWEEP_DIRECTORY: str(sweep_of(directory, subdir))}
    expansion = _Expansion(known, environment, steps or (lambda text: text))
    data = _texts(recipe, expansion.text)
    expansion.problems.messages = list(dict.fromkeys(expansion.problems.messages))
    expansion.problems.check(JobError)
    return data


class _Expansion:
    """Puts into the texts of a recipe what was left open."""

    def __init__(self, known: Mapping[str, str], environment: Mapping[str, str], steps: Callable[[str], Any]) -> None:
        self.known, self.environment, self.steps = known, environment, steps
        self.problems = Problems()

    def value(self, match: re.Match[str]) -> str | None:
        if match.group(2):
            return self.known[match.group(2)]
        name, default = match.group(3), match.group(4)
        if name in self.environment:
            return self.environment[name]
        if default is None:
            self.problems.add((), f"the environment variable {name} is not set, and the recipe needs it")
            return ""
        found: str | None = json.loads(default)
        return found

    def text(self, text: str) -> Any:
        if "${" not in text:
            return text
        given = self.steps(text)
        if not isinstance(given, str) or given != text:
            return self.text(given) if isinstance(given, str) and _INTERPOLATION.search(given) else given
        whole = _INTERPOLATION.fullmatch(text)
        if whole is not None and not whole.group(1):
            found = self.value(whole)
            return found if found is None else escape_interpolation(found)
        out, position = "", 0
        for match in _INTERPOLATION.finditer(text):
            slashes = len(match.group(1))
            if slashes % 2 == 0:
                before = unescape_interpolation(text[position : match.start()])
                if before is None:
                    return text  # no text that freezing writes: reading it says what is wrong
                out += before + "\\" * (slashes // 2) + str(self.value(match))
                position = match.end()
        rest = unescape_interpolation(text[position:])
        return text if rest is None or not position else escape_interpolation(out + rest)


def sweep_of(directory: Path, subdir: str) -> Path:
    """Return the sweep's directory of a job's; where the job was moved out of its sweep, the one above it."""
    below = tuple(part for part in Path(subdir).parts if part != ".")
    if not below:
        return directory
    return Path(*directory.parts[: -len(below)]) if directory.parts[-len(below) :] == below else directory.parent

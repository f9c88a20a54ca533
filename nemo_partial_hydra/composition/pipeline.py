"""Pipelines: configs whose ``_steps_`` names the recipes in it that run one after the other.

May import: OmegaConf; neither Hydra nor fiddle. ::

    _steps_: [convert, train, evaluate]                                     # each after the one before
    _steps_: {convert: [], train: [convert], report: {needs: [train], after: any}}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig
from omegaconf.errors import OmegaConfBaseException

from nemo_partial_hydra.dialect import step_references
from nemo_partial_hydra.dialect.step_references import NAME, StepReference
from nemo_partial_hydra.errors import ConfigError, ValidationError
from nemo_partial_hydra.jobs.step import ANY, OK
from nemo_partial_hydra.messages import Problems, nearest, one_of, placed
from nemo_partial_hydra.recipes.data import Kept
from nemo_partial_hydra.recipes.keys import MISSING, STEPS, TARGET
from nemo_partial_hydra.recipes.tree import Path, Result, Tree, walk
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.signatures.signature import Signature

from .budget import Resolution
from .compat import child_nodes, content, is_absent, is_missing, own_node
from .decode import node_data

MOST = 1_000
"""So many steps a pipeline can have."""
_EACH, _DEEP, _HINTS = 50, 5, 10  # values a step, how deep they stand, mistakes for which the right name is looked for
_FORM = f"expected {STEPS}: [convert, train] or {STEPS}: {{convert: [], train: [convert]}}"


@dataclass(frozen=True)
class Planned:
    """One step of a pipeline.

    Attributes
    ----------
    name : the top-level node that is its recipe.
    needs : the steps that it waits for.
    after : ``ok`` or ``any``: whether these have to be done, or only to have ended.
    """

    name: str
    needs: tuple[str, ...] = ()
    after: str = OK


@dataclass(frozen=True)
class Pipeline:
    """The steps of a config, in an order in which they can run; ``others`` are its recipes that are none."""

    steps: tuple[Planned, ...]
    others: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the steps."""
        return tuple(step.name for step in self.steps)

    @property
    def last(self) -> str:
        """The step whose result is that of the pipeline."""
        return self.steps[-1].name

    def before(self, name: str) -> set[str]:
        """Return all steps that have ended when one begins."""
        needs = {step.name: step.needs for step in self.steps}
        found: set[str] = set()
        open_ = [*needs[name]]
        while open_:
            one = open_.pop()
            if one not in found:
                found.add(one)
                open_ += needs[one]
        return found

    @property
    def picture(self) -> str:
        """The steps in one line: ``convert -> train -> evaluate``; what waits for what, where that is no chain."""
        chain = all(step.needs == self.names[max(0, i - 1) : i] for i, step in enumerate(self.steps))
        if chain and all(step.after == OK for step in self.steps):
            return " -> ".join(self.names)
        return "; ".join(
            f"{step.name}{' after ' if step.needs else ''}{' and '.join(step.needs)}"
            f"{' (however that ended)' if step.after == ANY else ''}"
            for step in self.steps
        )


def pipeline_of(config: DictConfig) -> Pipeline | None:
    """Return the pipeline that a composed config is; None where it has no ``_steps_``.

    Raises
    ------
    ConfigError
        If ``_steps_`` is wrong: all that is, at once.
    """
    held = own_node(config, STEPS) if isinstance(config, DictConfig) else None
    if held is None or is_missing(held) or content(held) is None:
        return None
    given = _given(config)
    if given is None:
        return None
    problems = Problems()
    planned = list(_planned(given, problems))
    if len(planned) > MOST:
        raise ConfigError(placed((STEPS,), f"{len(planned)} are more steps than a pipeline can have ({MOST})"))
    names = [step.name for step in planned]
    for step in planned:
        hints = len(problems.messages) < _HINTS
        if not NAME.fullmatch(step.name):
            problems.add((STEPS,), f"'{step.name}' is no name of a step: letters, digits, _ and -")
        elif names.count(step.name) > 1:
            problems.add((STEPS,), f"'{step.name}' stands there twice")
        elif not _is_recipe(config, step.name):
            known = _recipes(config) if hints else []
            hint = nearest(step.name, known) or f"; there are {one_of(known)}" if known else ""
            problems.add((STEPS,), f"'{step.name}' is no recipe: no top-level node with {TARGET} stands there{hint}")
        for need in step.needs:
            if need not in names:
                problems.add(
                    (STEPS, step.name), f"needs '{need}', which is no step{nearest(need, names) if hints else ''}"
                )
    problems.messages = list(dict.fromkeys(problems.messages))
    if not planned and not problems.messages:
        problems.add((STEPS,), f"it has no step: {_FORM}")
    problems.check(ConfigError)
    return Pipeline(tuple(_ordered(planned)), tuple(name for name in _recipes(config) if name not in names))


def _given(config: DictConfig) -> Any:
    """Return what ``_steps_`` says as plain data, its references followed within bounds."""
    resolution = Resolution()
    resolution.resolvers.pop(step_references.RESOLVER, None)  # no step has run where the steps are told
    left = MOST * _EACH

    def plain(holder: Any, key: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > _DEEP:
            raise ConfigError(placed((STEPS,), f"has more in it than steps have: {_FORM}"))
        held = own_node(holder, key)
        if held is None or is_missing(held):
            return None if held is None else MISSING
        found = resolution.get(holder, key)
        if isinstance(found, DictConfig):
            return {each: plain(found, each, depth + 1) for each in found}
        if isinstance(found, ListConfig):
            return [plain(found, index, depth + 1) for index in range(len(found))]
        return found

    try:
        return plain(config, STEPS, 0)
    except OmegaConfBaseException as error:
        raise ConfigError(placed((STEPS,), str(error).splitlines()[0])) from None


def _planned(given: Any, problems: Problems) -> Iterator[Planned]:
    if isinstance(given, list):
        before: tuple[str, ...] = ()
        for entry in given:
            name, more = next(iter(entry.items())) if isinstance(entry, dict) and len(entry) == 1 else (entry, {})
            if not isinstance(name, str) or not isinstance(more, dict):
                problems.add((STEPS,), f"got {entry!r}; {_FORM}")
                continue
            yield _step(name, {"needs": [*before], **more}, problems)
            before = (name,)
    elif isinstance(given, dict):
        for name, more in given.items():
            yield _step(str(name), more if isinstance(more, dict) else {"needs": more}, problems)
    else:
        problems.add((STEPS,), f"got {given!r}; {_FORM}")


def _step(name: str, given: Mapping[Any, Any], problems: Problems) -> Planned:
    place = (STEPS, name)
    unknown = [key for key in given if key not in ("needs", "after")]
    if unknown:
        problems.add(place, f"there is no '{unknown[0]}': a step has needs and after")
    needs, after = given.get("needs"), given.get("after", OK)
    needs = [] if needs is None else [needs] if isinstance(needs, str) else needs
    if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
        problems.add(place, f"needs: expected names of steps, got {needs!r}")
        needs = []
    if after not in (OK, ANY):
        problems.add(place, f"after: expected {OK} or {ANY}, got {after!r}")
        after = OK
    return Planned(name, tuple(dict.fromkeys(needs)), after)


def _recipes(config: DictConfig) -> list[str]:
    nodes = [(str(key), node) for key, node in child_nodes(config) if key not in (STEPS, "hydra")]
    return [key for key, node in nodes if isinstance(node, DictConfig) and not is_absent(node) and _names_target(node)]


def _is_recipe(config: DictConfig, name: str) -> bool:
    if name not in config:
        return False
    try:
        return _names_target(Resolution().select(config, name))
    except OmegaConfBaseException as error:
        raise ConfigError(placed((name,), str(error).splitlines()[0])) from None


def _names_target(node: Any) -> bool:
    target = own_node(node, TARGET) if isinstance(node, DictConfig) else None
    return target is not None and not is_missing(target)


def _ordered(planned: Sequence[Planned]) -> Iterator[Planned]:
    """Yield the steps so that each comes after those that it needs, otherwise as they were written.

    Raises
    ------
    ConfigError
        Where some wait for each other.
    """
    left, done = list(planned), set[str]()
    while left:
        free = next((step for step in left if done.issuperset(step.needs)), None)
        if free is None:
            raise ConfigError(placed((STEPS,), f"these steps wait for each other: {' -> '.join(_circle(left))}"))
        yield free
        done.add(free.name)
        left.remove(free)


def _circle(left: Sequence[Planned]) -> list[str]:
    needs = {step.name: [need for need in step.needs if any(need == other.name for other in left)] for step in left}
    here = left[0].name
    seen: list[str] = []
    while here not in seen:
        seen.append(here)
        here = needs[here][0]
    return [*seen[seen.index(here) :], here]


def later(pipeline: Pipeline, name: str) -> Resolution:
    """Return a resolution for the recipe of a step before it runs: what other steps give stays open."""
    return opened(Resolution(), pipeline, name)


def opened(resolution: Resolution, pipeline: Pipeline, name: str) -> Resolution:
    """Have a resolution leave open what the other steps give, for the recipe of one."""

    def steps(marked: str, path: Path) -> Any:
        for text in step_references.parts(marked)[1::2]:
            allowed(pipeline, name, text, path)
        made = Result(step_references.spelled(marked))
        if step_references.whole(made.text) is None and any(not one.directory for one in references_of(made)):
            raise ValidationError(placed(path, f"{made.text}: within a text only the directory of a step may stand"))
        return Kept(made)

    resolution.resolvers[step_references.RESOLVER] = step_references.mark
    resolution.steps = steps
    return resolution


def left_to_run(resolution: Resolution) -> None:
    """Have a resolution leave open what steps give, wherever it is named: the pipeline that runs says what is wrong."""
    resolution.resolvers[step_references.RESOLVER] = step_references.mark
    resolution.steps = lambda marked, path: Kept(Result(step_references.spelled(marked)))


def allowed(pipeline: Pipeline, name: str, text: str, path: Path) -> StepReference:
    """Return the reference that a step's recipe makes to another one.

    Raises
    ------
    ValidationError
        If there is no such step, or it need not have run when this one begins.
    """
    shown = f"${{{step_references.RESOLVER}:{text}}}"
    found = step_references.reference(text)
    other = text.partition(".")[0]
    if other in pipeline.others:
        steps = ",".join([other, *pipeline.names])
        more = f"{STEPS} leaves it out; to have it run: '{STEPS}=[{steps}]', else give another value"
        raise ValidationError(placed(path, f"{shown}: {more}"))
    if other not in pipeline.names:
        hint = nearest(other, pipeline.names) or f"; there are {one_of(pipeline.names)}"
        raise ValidationError(placed(path, f"{shown}: there is no step '{other}'{hint}"))
    if found is None:
        right = f"${{step:{other}}} for its result, or ${{step:{other}.dir}} for its directory"
        raise ValidationError(placed(path, f"{shown}: write {right}"))
    if other not in pipeline.before(name):
        what = "is this step itself" if other == name else f"need not have run when {name} begins"
        more = "" if other == name else f"; name it in {STEPS}: {{{name}: [{other}]}}"
        raise ValidationError(placed(path, f"{shown}: {other} {what}{more}"))
    return found


def references_of(tree: Tree) -> Iterable[StepReference]:
    """Yield the references to steps in a tree."""
    for _, node in walk(tree):
        if isinstance(node, Result):
            yield from step_references.references(node.text)


def step_tree(
    config: DictConfig,
    name: str,
    resolution: Resolution,
    allow: Iterable[str] = (),
    *,
    before_run: bool = False,
    known: dict[str, Signature | None] | None = None,
) -> Tree:
    """Read the recipe of a step, edits applied, types and policy checked; the arguments are those of ``recipe_tree``.

    Raises
    ------
    ValidationError, PolicyError
        As there.
    """
    data = step_data(config, name, resolution, before_run=before_run)
    return session.workspace().read_tree(data, allow, place=(name,), known=known)


def step_data(config: DictConfig, name: str, resolution: Resolution, *, before_run: bool = True) -> Any:
    """Return the recipe of a step as plain data."""
    return node_data(resolution.select(config, name), resolution, before_run=before_run)


def check_steps(config: DictConfig, pipeline: Pipeline, allow: Iterable[str] = (), *, before_run: bool = False) -> None:
    """Check the recipes of all steps before one of them runs.

    Raises
    ------
    ValidationError, PolicyError
        For what the targets or the runner do not accept, of all steps.
    """
    problems = Problems()
    for name in pipeline.names:
        try:
            tree = step_tree(config, name, later(pipeline, name), allow, before_run=before_run)
            problems.messages += session.workspace().missing(tree, (name,))
        except ValidationError as error:
            problems.messages.append(str(error))
    problems.check(ValidationError)

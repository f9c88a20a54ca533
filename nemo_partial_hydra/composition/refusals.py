"""All that is refused in the files of one composition: Hydra stops at the first of them, the report does not.

May import: OmegaConf.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

from omegaconf import DictConfig, OmegaConf

from nemo_partial_hydra.errors import FilePolicyError, PolicyError
from nemo_partial_hydra.policy.policy import refusals
from nemo_partial_hydra.policy.scan import names_in
from nemo_partial_hydra.runtime import session

from .decode import loose_data

E = TypeVar("E", bound=Exception)


def whole(error: E, compose: Callable[[], contextlib.AbstractContextManager[DictConfig]]) -> E | PolicyError:
    """Return an error with the refusals of all files, where it is about one; nothing that is refused is imported.

    Parameters
    ----------
    error : what a composition failed with.
    compose : composes it once more; a file that is refused then counts as empty.
    """
    if not isinstance(error, FilePolicyError):
        return error
    with session.collecting() as refused, contextlib.suppress(Exception), compose() as config:
        # Of what is left, the overrides may name something; what is wrong otherwise is told another time.
        left = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        if session.current() is not None:  # who runs a plain Hydra app knows what that allows
            names = names_in(loose_data(left, ()).data)
            refused.extend(refusals(names, session.workspace().policy.prefixes()))
    lines = list(dict.fromkeys([str(error), *refused]))
    return PolicyError("\n".join(lines)) if len(lines) > 1 else error

"""Exit codes: one table, and as text they are numbers on every Python."""

from __future__ import annotations

import json

import pytest

from nemo_partial_hydra import errors
from nemo_partial_hydra.errors import ExitCode


def test_these_are_what_scripts_may_rely_on() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "REFUSED": 3,
        "CLUSTER": 4,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize("code", ExitCode)
def test_it_is_printed_and_serialised_as_its_number(code: ExitCode) -> None:
    assert {str(code), f"{code}", "%s" % code, json.dumps(code), json.dumps(code, indent=1)} == {  # noqa: UP031
        str(code.value)
    }


def test_every_error_ends_a_command_with_one_of_them() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RecipeError)]
    assert kinds
    assert all(isinstance(kind.exit_code, ExitCode) for kind in kinds)
    assert all(kind.exit_code != ExitCode.DONE for kind in kinds)

"""The next attempt of a job that two people try again at once is taken by one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_partial_hydra.errors import RefusedError
from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.layout import JobPaths
from nemo_partial_hydra.launchers import claims
from nemo_partial_hydra.launchers.attempts import next_attempt
from tests.support.sweeps import Sweep


@pytest.fixture
def failed(tmp_path: Path) -> JobPaths:
    job = Sweep(tmp_path).add("fail")
    claims.claim(job, 1)
    states.write_status(job, states.Status(states.FAILED, 1))
    return job


def test_it_is_the_one_after_the_last(failed: JobPaths) -> None:
    assert next_attempt(failed, 1, states.last_attempt(failed)) == 2


def test_who_chose_before_another_took_it_does_not_get_it(failed: JobPaths) -> None:
    mine = next_attempt(failed, 1, states.last_attempt(failed))
    claims.claim(failed, 2)
    with pytest.raises(RefusedError, match="is submitted already"):
        claims.claim(failed, mine)


def test_who_chooses_while_another_takes_it_is_refused(failed: JobPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its directory is there, and its status says so a moment later."""
    failed.attempt(2).mkdir()
    told = states.Status(states.SUBMITTED, 2)
    answers = iter([states.read_status(failed), told])
    monkeypatch.setattr(states, "read_status", lambda paths: next(answers))
    with pytest.raises(RefusedError, match="is submitted already"):
        next_attempt(failed, 1, 2, seconds=60)


def test_one_whose_process_died_before_it_said_so_is_passed_over(failed: JobPaths) -> None:
    failed.attempt(2).mkdir()
    assert next_attempt(failed, 1, 2, seconds=0) == 3

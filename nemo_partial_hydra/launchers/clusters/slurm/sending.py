"""One array sent once: ``sbatch`` is called, and where its word is no certain one SLURM is asked for the array.

May import: the standard library only. Controllers take what ``sbatch`` gave up waiting for, sites put wrappers around
it that print what they like, and it may be killed. ``--parsable`` is no help: banners have bare numbers too, while the
sentence that ``sbatch`` prints by itself is known by its words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nemo_partial_hydra.errors import ClusterError
from nemo_partial_hydra.jobs.job_id import JobId
from nemo_partial_hydra.launchers.clusters.base import Found, Unsettled

from .commands import Answer, Ask, refusal

WAITS_S = (2.0, 10.0, 30.0)
"""How long is waited before each further try."""
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_SENTENCE = re.compile(r"Submitted batch job (\d+)(?: on cluster ([\w.-]+))?")
_REFUSED = re.compile(r"Batch job submission failed|allocation failure", re.IGNORECASE)
_SHOWN = 500


class Refused(ClusterError):
    """SLURM has said no; ``answer`` is how."""

    def __init__(self, text: str, answer: Answer) -> None:
        super().__init__(text)
        self.answer = answer


@dataclass(frozen=True)
class Call:
    """How an array is sent, and asked for.

    Attributes
    ----------
    sbatch : runs the command line.
    find : asks the cluster for the array.
    sleep : waits.
    waits : how long before each further try.
    """

    sbatch: Ask
    find: Callable[[], Found]
    sleep: Callable[[float], None]
    waits: Sequence[float] = WAITS_S


def read_id(answer: Answer) -> JobId | None:
    """Return the id that ``sbatch`` says; None where it does not say exactly one in its own words."""
    lines = (_ANSI.sub("", line).strip() for line in answer.out.splitlines())
    found = {match.groups() for match in map(_SENTENCE.fullmatch, lines) if match is not None}
    if answer.code != 0 or len(found) != 1:
        return None
    ((job, cluster),) = found
    return JobId(job, cluster_name=cluster)


def send(line: Sequence[str], call: Call, say: Callable[[str], None] = lambda text: None) -> JobId:
    """Send an array; return its id.

    Parameters
    ----------
    line : the command.
    say : is told what happened on the way that somebody has to know.

    Raises
    ------
    ClusterError
        If the cluster has not taken it.
    Unsettled
        If that is not known.
    """
    known = Found({}, "it was not asked")
    answer = Answer(0, "", "")
    for wait in (*call.waits, None):
        if not known.why or answer == Answer(0, "", ""):  # never again while it may have been taken
            answer = call.sbatch(line)
        if answer.code == 127:
            raise ClusterError(f"{answer.complaint}: submit from a host of the cluster")
        job = read_id(answer)
        if job is None:
            known = call.find()
            job = next(iter(known.ids.values()), None)
        for note in known.notes:
            say(note)
        if job is not None:
            return job
        if _refused(answer):
            raise Refused(f"SLURM did not take the jobs: {_words(answer)}", answer)
        if wait is not None:
            call.sleep(wait)
            known = call.find()  # what was slow may have come through meanwhile
            if known.ids:
                return next(iter(known.ids.values()))
    tries = f"{len(call.waits) + 1} tries"
    if known.why:
        raise Unsettled(f"it is not known whether SLURM took the jobs: {_words(answer)}; after {tries}: {known.why}")
    raise ClusterError(f"SLURM did not take the jobs in {tries}, and has none of them: {_words(answer)}")


def _refused(answer: Answer) -> bool:
    """Whether ``sbatch``, or what stands in for it, has said no: a time-out and what is not read are no such word."""
    if answer.no_controller or answer.code == 124 or "timed out" in answer.err + answer.out:
        return False
    return answer.code != 0 or _REFUSED.search(answer.err + answer.out) is not None


def _words(answer: Answer) -> str:
    if answer.code == 0 and not answer.err.strip() and not answer.out.strip():
        return "sbatch said nothing"
    said = refusal(answer.complaint if answer.err.strip() or answer.code else answer.out.strip())
    text = "; ".join(line.strip() for line in said.splitlines() if line.strip())[:_SHOWN]
    return text if answer.code else f"sbatch said: {text}"

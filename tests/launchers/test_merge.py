"""The one state of a job from three words: laws that hold whatever is said, and what SLURM's own texts mean."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nemo_partial_hydra.jobs import status as states
from nemo_partial_hydra.jobs.job_id import JobId, folded
from nemo_partial_hydra.launchers.clusters.base import Record, Views
from nemo_partial_hydra.launchers.clusters.slurm import queue
from nemo_partial_hydra.launchers.clusters.slurm.queue import Sender
from nemo_partial_hydra.launchers.clusters.slurm.queue import record as Known
from nemo_partial_hydra.launchers.records import SentJob, Submission
from nemo_partial_hydra.launchers.status import merge as merging
from nemo_partial_hydra.launchers.status.merge import Merged, merge

SLURM_STATES = (*queue.WAITING, *queue.RUNNING, *queue.ENDS, "A_STATE_OF_A_LATER_VERSION")
KNOWN = st.none() | st.builds(
    Known,
    st.sampled_from(SLURM_STATES),
    reason=st.sampled_from(["", "Resources"]),
    exit_code=st.sampled_from([None, 0, 1, 137]),
    exit_signal=st.sampled_from([None, 0, 9]),
)


@st.composite
def views(draw: st.DrawFn) -> Views:
    """Make what may be known of a job: nobody answers who was not asked."""
    slurm = draw(st.booleans())
    queue_asked, accounts_asked = slurm and draw(st.booleans()), slurm and draw(st.booleans())
    return Views(
        slurm,
        draw(KNOWN) if queue_asked else None,
        draw(KNOWN) if accounts_asked else None,
        queue_asked,
        accounts_asked,
        queue_asked and draw(st.booleans()),
        draw(st.booleans()),
        None if slurm else draw(st.sampled_from([True, False, None])),
        accounts_off=slurm and not accounts_asked and draw(st.booleans()),
        young=slurm and draw(st.booleans()),
        elsewhere="another cluster" if slurm and not queue_asked and draw(st.booleans()) else "",
    )


OWN = st.sampled_from(states.STATES)


@given(OWN, views())
def test_every_combination_gives_one_known_state(own: str, known: Views) -> None:
    assert merge(own, known).state in states.STATES


@given(st.sampled_from([states.DONE, states.FAILED]), views())
def test_a_final_own_word_is_never_overwritten_unless_a_failed_job_waits_again(own: str, known: Views) -> None:
    found = merge(own, known)
    again = own == states.FAILED and known.queue is not None and known.queue.waits
    assert (found.state, found.active, found.unsure) == (states.SUBMITTED if again else own, again, False)


@given(st.sampled_from([states.CANCELLED, states.TIMEOUT]), views())
def test_a_job_that_was_told_to_end_is_no_other_end_unless_it_waits_again(own: str, known: Views) -> None:
    waits = known.queue is not None and known.queue.waits
    assert merge(own, known).state == (states.SUBMITTED if waits else own)


@given(OWN, views())
def test_what_slurm_still_has_is_active_and_never_tried_again(own: str, known: Views) -> None:
    found = merge(own, known)
    if known.queue is not None and known.queue.state not in queue.ENDS and own not in (*merging.FINAL, states.FROZEN):
        assert found.active
        assert found.state != states.LOST
    if found.state in (states.SUBMITTED, states.RUNNING):
        assert found.active


@given(OWN, views())
def test_only_what_could_not_be_asked_is_unsure(own: str, known: Views) -> None:
    found = merge(own, known)
    if found.unsure:
        assert known.queued
        assert not (known.queue_asked and known.accounts_asked)
    if known.queued and not known.queue_asked and not known.accounts_asked:
        assert found.state == own
        open_ = (states.SUBMITTED, states.RUNNING, states.UNKNOWN, *([states.LOST] if known.elsewhere else []))
        assert found.unsure == (own in open_)


@given(st.sampled_from([states.SUBMITTED, states.RUNNING]), views())
@example(states.RUNNING, Views(True, None, Known("RUNNING"), True, True))
def test_lost_is_what_nobody_has_any_more_or_has_ended_without_a_result(own: str, known: Views) -> None:
    found = merge(own, known)
    if known.queued and known.queue_asked and known.queue is None and known.accounts is None:
        never = known.array_known and not known.begun
        end = states.LOST if known.accounts_asked else states.UNKNOWN
        assert found.state == (states.CANCELLED if never else own if known.young else end)
    if found.state in (states.LOST, states.UNKNOWN):
        assert found.reason, "which is said"


@given(st.sampled_from([states.SUBMITTED, states.RUNNING, states.UNKNOWN]), views())
def test_nothing_is_lost_of_which_not_everybody_was_asked(own: str, known: Views) -> None:
    """The right cluster's queue, its accounting, and some time after the submission; else an end that SLURM names."""
    found = merge(own, known)
    if known.queued and found.state == states.LOST and (found.record is None or found.record.end is None):
        assert known.queue_asked
        assert known.accounts_asked
        assert not known.young
        assert not known.elsewhere
    if found.state == states.UNKNOWN and found.active:
        assert found.unsure


@pytest.mark.parametrize(
    ("own", "known", "state", "words"),
    [
        (
            states.SUBMITTED,
            Views(True, Known("PENDING", reason="Resources"), None, True, True),
            "submitted",
            "Resources",
        ),
        (states.SUBMITTED, Views(True, Known("RUNNING"), None, True, True), "running", "starts"),
        (states.RUNNING, Views(True, Known("PENDING"), None, True, True), "submitted", "again"),
        (states.RUNNING, Views(True, Known("OUT_OF_MEMORY"), None, True, True), "lost", "mem_gb"),
        (states.RUNNING, Views(True, None, Known("NODE_FAIL", node="n1"), True, True), "lost", "n1"),
        (states.SUBMITTED, Views(True, Known("REVOKED"), None, True, True), "unknown", "federation"),
        (states.RUNNING, Views(True, None, Known("REVOKED"), True, True), "running", "federation"),
        (states.DONE, Views(True, Known("REVOKED"), None, True, True), "done", ""),
        (states.DONE, Views(True, Known("REQUEUE_HOLD"), None, True, True), "done", ""),
        (states.FAILED, Views(True, Known("REQUEUED"), None, True, True), "submitted", "requeued after it failed"),
        (states.FAILED, Views(True, Known("COMPLETING"), None, True, True), "failed", ""),
        (states.RUNNING, Views(True, Known("SUSPENDED", reason="so"), None, True, True), "running", "so"),
        (states.DONE, Views(True, Known("RUNNING"), None, True, True, several=True), "running", "others still run"),
        (states.DONE, Views(True, Known("COMPLETED"), None, True, True, several=True), "done", ""),
        (states.RUNNING, Views(True, None, Known("FAILED", exit_code=0, exit_signal=9), True, True), "lost", "SIGKILL"),
        (states.RUNNING, Views(True, None, Known("FAILED", exit_code=9), True, True), "lost", "SIGKILL"),
        (states.RUNNING, Views(True, None, Known("FAILED", exit_code=1), True, True), "failed", "before it could say"),
        (states.RUNNING, Views(True, None, Known("RUNNING"), True, True), "lost", "accounting has it as RUNNING"),
        (states.RUNNING, Views(True, None, Known("RUNNING"), False, True), "running", "accounting"),
        (states.RUNNING, Views(True, None, Known("TIMEOUT"), False, True), "timeout", "time limit"),
        (states.RUNNING, Views(True, None, None, True, False), "unknown", "accounting cannot be asked now"),
        (states.RUNNING, Views(True, None, None, True, False, accounts_off=True), "unknown", "keeps no accounts"),
        (states.UNKNOWN, Views(True, None, Known("COMPLETED"), True, True), "lost", "without writing"),
        (states.UNKNOWN, Views(True, Known("RUNNING"), None, True, False), "running", "it starts"),
        (states.RUNNING, Views(True, None, None, True, True, young=True), "running", "does not show it yet"),
        (states.RUNNING, Views(True, elsewhere="another"), "running", "another"),
        (states.SUBMITTED, Views(True, None, None, False, False), "submitted", ""),
        (states.SUBMITTED, Views(True, None, Known("PENDING"), True, True, True, False), "cancelled", "has its array"),
        (states.SUBMITTED, Views(True, None, Known("PENDING"), True, True, True, True), "lost", "has it as PENDING"),
        (states.RUNNING, Views(alive=False), "lost", "process is gone"),
        (states.SUBMITTED, Views(alive=False), "lost", "process that submitted it"),
        (states.RUNNING, Views(alive=None), "running", ""),
        (states.LOST, Views(True, Known("RUNNING"), None, True, True), "running", "starts"),
    ],
)
def test_examples(own: str, known: Views, state: str, words: str) -> None:
    found: Merged = merge(own, known)
    assert found.state == state
    assert words in found.reason


def text(*rows: Sequence[str]) -> str:
    return "".join(queue.SEPARATOR.join(row) + "\n" for row in rows)


AT, LATER = "2026-11-24T22:28:54", "2026-11-24T22:28:55"
SCRIPT = "/sweep/submissions/1/submitit/submission_file_ab.sh"
SENT = Submission(
    1, "slurm", "a|b ü", "2026-11-24T22:28:50.000Z", "me", "login", folder="/sweep/submissions/1/submitit"
)
# Recorded from SLURM 22.05: an array of which one task was cancelled while it ran, one that was held and cancelled.
QUEUE = text(
    ("346_0", "RUNNING", AT, AT, LATER, "None", "n1", "a|b ü", SCRIPT),
    ("346_1", "CANCELLED", AT, AT, LATER, "None", "n1", "a|b ü", SCRIPT),
    ("346_2", "PENDING", AT, "N/A", "N/A", "JobHeldUser", "", "a|b ü", SCRIPT),
    ("347", "CANCELLED", AT, LATER, LATER, "None", "", "a|b ü", SCRIPT),
)  # fmt: skip
ACCOUNTS = text(
    ("346_0", "RUNNING", AT, AT, "Unknown", "0:0", "n1", "a|b ü", f"sbatch {SCRIPT}"),
    ("346_1", "CANCELLED by 0", AT, AT, LATER, "0:15", "n1", "a|b ü",
     f"sbatch {SCRIPT}"),
    ("347_[0-2]", "CANCELLED by 0", AT, "None", LATER, "0:0", "None assigned", "a|b ü",
     f"sbatch {SCRIPT}"),
    ("348", "COMPLETED", AT, AT, LATER, "0:0", "n1", "allocation", ""),
)  # fmt: skip
SENDER = Sender.of(SENT)


def job(array: str, task: int | None) -> SentJob:
    return SentJob("0", 1, JobId(array, task))


def test_the_queue_is_read() -> None:
    found = queue.queue_records(QUEUE)
    assert list(found) == ["346_0", "346_1", "346_2", "347"]
    (running,) = found["346_0"]
    assert (running.state, running.node, running.name, running.command) == ("RUNNING", "n1", "a|b ü", SCRIPT)
    (held,) = found["346_2"]
    assert (held.reason.partition(";")[0], held.started, held.waits) == ("JobHeldUser", None, True)


def test_the_accounting_is_read() -> None:
    found = queue.account_records(ACCOUNTS)
    assert list(found) == ["346_0", "346_1", "347_0", "347_1", "347_2", "348"]
    (cancelled,) = found["346_1"]
    assert (cancelled.state, cancelled.exit_code, cancelled.exit_signal) == ("CANCELLED", 0, 15)
    assert found["347_2"][0].started is None
    older = "\n".join(line.rpartition(queue.SEPARATOR)[0] for line in ACCOUNTS.splitlines())
    assert queue.account_records(older)["346_1"][0].command == "", "SLURM before 21.08 has no SubmitLine"


def test_tasks_that_never_started_are_cancelled_by_the_record_of_their_array() -> None:
    table = queue.queue_records(QUEUE)
    assert queue.record_of(table, job("347", 1), SENDER) is None
    found = queue.never_started(table, job("347", 1), SENDER)
    assert found is not None
    assert found.state == "CANCELLED"


def test_an_array_whose_tasks_are_not_there_yet_has_not_ended() -> None:
    table = queue.account_records(ACCOUNTS)
    for task in range(2):
        assert queue.record_of(table, job("348", task), SENDER) is None
        assert queue.never_started(table, job("348", task), SENDER) is None


@pytest.mark.parametrize(
    "other",
    [
        Known(
            "COMPLETED",
            "2026-11-25T22:28:54Z",
            name="a|b ü",
            command="/other/submissions/1/submitit/submission_file.sh",
        ),
        Known("COMPLETED", "2026-11-25T22:28:54Z", name="a|b ü", command="sbatch /sweep/submissions/1/submitit2/x.sh"),
        Known("COMPLETED", "2026-11-25T22:28:54Z", name="somebody's"),
        Known("COMPLETED", "2025-01-01T00:00:00Z", name="a|b ü"),
    ],
)
def test_a_number_that_was_given_out_again_is_not_ours(other: Record) -> None:
    mine = Known("RUNNING", "2026-11-24T22:28:54Z", name="a|b ü", command=SCRIPT)
    assert queue.ours(mine, SENDER)
    assert not queue.ours(other, SENDER)
    assert queue.record_of({"7_0": [mine, other]}, job("7", 0), SENDER) == mine
    assert queue.record_of({"7_0": [other]}, job("7", 0), SENDER) is None


def test_without_a_record_of_the_submission_the_time_tells() -> None:
    alone = Sender.of(None, "2026-11-24T22:28:50.000Z")
    assert queue.ours(Known("RUNNING", "2026-11-24T22:28:54Z"), alone)
    assert not queue.ours(Known("COMPLETED", "2026-11-23T22:28:54Z"), alone)


def test_of_a_requeued_job_the_last_record_counts() -> None:
    first = Known("REQUEUED", "2026-11-24T22:28:54Z", command=SCRIPT)
    again = Known("COMPLETED", "2026-11-24T22:30:54Z", command=SCRIPT)
    assert queue.record_of({"7": [again, first]}, job("7", None), SENDER) == again


NUMBERS = st.sets(st.integers(0, 300), min_size=1)


@given(st.dictionaries(st.integers(1, 99).map(str), NUMBERS, min_size=1, max_size=3))
def test_folding_tasks_and_spelling_them_out_again_gives_the_same(arrays: dict[str, set[int]]) -> None:
    jobs = [f"{array}_{task}" for array, numbers in arrays.items() for task in numbers]
    spelled = [each for folded in folded(jobs) for each in queue.tasks(folded)]
    assert sorted(spelled) == sorted(jobs)
    assert len(folded(jobs)) == len(arrays)


@pytest.mark.parametrize(
    ("spelled", "tasks"),
    [
        ("7", ["7"]),
        ("7_3", ["7_3"]),
        ("7_[0-2,5%3]", ["7_0", "7_1", "7_2", "7_5"]),
        ("7_[0-6:3]", ["7_0", "7_3", "7_6"]),
        ("7_[4]", ["7_4"]),
    ],
)
def test_slurms_spelling_of_tasks(spelled: str, tasks: list[str]) -> None:
    assert queue.tasks(spelled) == tasks


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("RUNNING", "None", ""),
        ("PENDING", "Resources", "Resources"),
        ("SUSPENDED", "None", "SLURM has suspended it; it goes on when who did so lets it, or by scontrol resume 7_1"),
        ("STOPPED", "None", "SLURM has stopped it; it goes on when who did so lets it, or by scancel -s CONT 7_1"),
        ("PENDING", "JobHeldUser", "JobHeldUser; scontrol release 7_1 lets it start"),
        ("PENDING", "JobHeldAdmin", "JobHeldAdmin; who runs the cluster can release it"),
        ("PENDING", "launch failed requeued held", "launch failed requeued held; scontrol release 7_1 lets it start"),
    ],
)
def test_why_a_job_does_not_go_on_and_what_lets_it(state: str, reason: str, said: str) -> None:
    times = ["2026-11-24T22:28:54"] * 3
    row = ["7_1", state, *times, reason, "n1", "app", "", ""]
    assert queue.queue_records(queue.SEPARATOR.join(row))["7_1"][0].reason == said

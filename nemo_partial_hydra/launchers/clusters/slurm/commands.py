"""What SLURM says about a cluster: its commands, and parsers of their texts.

May import: the standard library only. The parsers are pure; ``ask`` is the only place that starts a command.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_PAIR = re.compile(r"(?:^|(?<=\s))([A-Za-z][A-Za-z0-9_/:]*)=")
_GPU = re.compile(r"^(?:gres/)?gpu(?::([A-Za-z][\w.-]*))?(?::(\d+))?(?:\(.*)?$")
UNUSABLE = ("DOWN", "DRAIN", "DRAINED", "DRAINING", "FAIL", "FAILING", "ERROR", "NOT_RESPONDING", "UNKNOWN",
            "POWERED_DOWN_FAIL")  # fmt: skip
NO_CONTROLLER = ("Unable to contact slurm controller", "Unable to establish control", "Connection refused",
                 "Zero Bytes were transmitted", "Socket timed out", "Invalid authentication credential",
                 "Communication connection failure", "Protocol authentication error", "auth_g_", "munge",
                 "Unable to process configuration file", "Could not establish a configuration source")  # fmt: skip
TIMEOUT_S = 60
AGAIN = "temporarily unable to accept job"
"""What ``sbatch`` says when it begins to try again by itself, which it does for half an hour and more."""
AGAIN_S, _LOOK_S = 20.0, 2.0
SBATCH_S = 300.0
"""So long ``sbatch`` may take: SLURM's own patience with a busy controller is some minutes, and wrappers are slow."""


@dataclass(frozen=True)
class Answer:
    """What a command answered; ``code`` is 127 where it does not exist."""

    code: int
    out: str
    err: str

    @property
    def no_controller(self) -> bool:
        """Whether the controller could not be asked."""
        return self.code != 0 and any(text in self.err + self.out for text in NO_CONTROLLER)

    @property
    def complaint(self) -> str:
        """The command's own words, in one line."""
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return "; ".join(lines) or f"exit code {self.code}"


Ask = Callable[..., Answer]
"""Runs one of SLURM's commands."""


def ask(command: Sequence[str], text: str | None = None, seconds: float = TIMEOUT_S) -> Answer:
    """Run one of SLURM's commands; a missing one and one that hangs are answers too."""
    # Without a length of 0 a long list of an array's tasks is cut off.
    environment = {**os.environ, "LC_ALL": "C", "SLURM_TIME_FORMAT": "standard", "SLURM_BITSTR_LEN": "0"}
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, encoding="utf-8", errors="replace", check=False,
            timeout=seconds, env=environment,
        )  # fmt: skip
    except FileNotFoundError:
        return Answer(127, "", f"{command[0]} is not on PATH")
    except subprocess.TimeoutExpired:
        return Answer(124, "", f"{command[0]}: Socket timed out: no answer in {seconds:g} s")
    return Answer(done.returncode, done.stdout, done.stderr)


def call(command: Sequence[str], seconds: float = SBATCH_S) -> Answer:
    """Run ``sbatch`` or what a site has put in its place: in this very environment, which is the jobs' own.

    Nothing of it is left running when it takes too long, or when this process is interrupted: what a wrapper has
    started would submit later.
    """
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            errors="replace", start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return Answer(127, "", f"{command[0]}: {'is not on PATH' if error.errno == errno.ENOENT else error.strerror}")
    with process:
        try:
            out, err = _communicate(process, seconds)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            if AGAIN in _said(error):
                return Answer(1, "", _said(error))
            return Answer(124, "", f"{command[0]}: Socket timed out: no answer in {seconds:g} s")
    return Answer(process.returncode, out, err)


def _communicate(process: subprocess.Popen[str], seconds: float) -> tuple[str, str]:
    """Wait for a program; less long once it says that it tries again and again."""
    end = time.monotonic() + seconds
    hopeless = False
    while True:
        left = end - time.monotonic()
        try:
            return process.communicate(timeout=max(0.0, min(_LOOK_S, left)))
        except subprocess.TimeoutExpired as error:
            if time.monotonic() >= end:
                raise
            if not hopeless and AGAIN in _said(error):
                hopeless, end = True, min(end, time.monotonic() + AGAIN_S)


def _said(error: subprocess.TimeoutExpired) -> str:
    """Return what a program has written to its standard error so far."""
    said = error.stderr or b""
    return said.decode(errors="replace") if isinstance(said, bytes) else said


_ABOUT = {
    "invalid account": "account",
    "invalid qos": "qos",
    "feature": "constraint",
    "node count": "nodes",
    "time limit": "timeout_min",
    "memory": "mem_gb",
    "generic resource": "gres or gpus_per_node",
    "invalid partition": "partition",
    "dependency": "additional_parameters.dependency",
    "reservation": "additional_parameters.reservation",
    "node name": "exclude or additional_parameters.nodelist",
    "license": "additional_parameters.licenses",
}
# Of limits SLURM names the one in a word, and all of them in the sentence that follows.
_LIMIT = re.compile(r"\b((?:QOS|Assoc|Partition|Max|Min|Grp)\w*(?:Limit|Minutes|PerAccount|PerUser|PerJob|PerNode))\b")
_ANY_LIMIT = re.compile(r" \(job submit limit, [^)]*\)")
_OF_LIMIT = {
    "Submit": "", "Wall": "timeout_min", "Time": "timeout_min", "GRES": "gres or gpus_per_node", "Node": "nodes",
    "Mem": "mem_gb", "Cpu": "cpus_per_task", "CPU": "cpus_per_task",
}  # fmt: skip


def other_limit(text: str) -> bool:
    """Whether SLURM names a limit in a word."""
    return _LIMIT.search(text) is not None


def refusal(complaint: str) -> str:
    """Say which setting SLURM's refusal is about, if it is about one."""
    text = complaint.replace("sbatch: ", "").replace("error: ", "").replace("allocation failure: ", "")
    text = _ANY_LIMIT.sub("", text)
    limit = _LIMIT.search(text)
    table, words = (_OF_LIMIT, limit.group(1)) if limit else (_ABOUT, text.lower())
    setting = next((setting for word, setting in table.items() if word in words), "")
    return f"{text} (hydra.launcher.{setting})" if setting else text


def records(text: str) -> list[dict[str, str]]:
    """Read what ``scontrol -o show ...`` prints: a record a line, ``Key=value`` pairs whose values may have spaces."""
    found = []
    for line in text.splitlines():
        marks = list(_PAIR.finditer(line))
        ends = [mark.start() for mark in marks[1:]] + [len(line)]
        record = {mark.group(1): line[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}
        if record:
            found.append(record)
    return found


@dataclass(frozen=True)
class Partition:
    """One partition; ``max_minutes`` and ``max_nodes`` are None where there is no limit."""

    name: str
    up: bool
    state: str
    default: bool
    max_minutes: float | None
    max_nodes: int | None
    min_nodes: int
    max_cpus_per_node: int | None
    max_mb_per_node: int | None


@dataclass(frozen=True)
class Node:
    """One node: what it has, whether it works now, and why not."""

    name: str
    partitions: tuple[str, ...]
    cpus: int
    memory_mb: int
    gpus: Mapping[str, int]
    usable: bool
    state: str
    reason: str = ""
    host: str = ""

    def gpu_count(self, kind: str | None = None) -> int:
        """Return how many GPUs of a kind it has, or of all kinds."""
        return sum(self.gpus.values()) if kind is None else self.gpus.get(kind, 0)


def partitions(text: str) -> list[Partition]:
    """Read ``scontrol -o show partition``."""
    return [
        Partition(
            name=one["PartitionName"],
            up=one.get("State", "UP") == "UP",
            state=one.get("State", "UP"),
            default=one.get("Default", "NO") == "YES",
            max_minutes=minutes(one.get("MaxTime", "UNLIMITED")),
            max_nodes=_limit(one.get("MaxNodes")),
            min_nodes=_limit(one.get("MinNodes")) or 0,
            max_cpus_per_node=_limit(one.get("MaxCPUsPerNode")),
            max_mb_per_node=_limit(one.get("MaxMemPerNode")),
        )
        for one in records(text)
        if "PartitionName" in one
    ]


def nodes(text: str) -> list[Node]:
    """Read ``scontrol -o show node``."""
    found = []
    for one in records(text):
        if "NodeName" not in one:
            continue
        flags = one.get("State", "UNKNOWN").replace("*", "+NOT_RESPONDING").split("+")
        found.append(
            Node(
                name=one["NodeName"],
                partitions=tuple(filter(None, one.get("Partitions", "").split(","))),
                cpus=int(one.get("CPUTot") or 0),
                memory_mb=int(one.get("RealMemory") or 0),
                gpus=gpus(one.get("Gres", "")),
                usable=not any(flag in UNUSABLE for flag in flags),
                state=one.get("State", "UNKNOWN"),
                reason=one.get("Reason", "").partition(" [")[0],
                host=one.get("NodeHostName", one["NodeName"]),
            )
        )
    return found


def gpus(text: str) -> dict[str, int]:
    """Read GPUs from ``gpu:a100:4(S:0-1),gpu:2`` or ``gpu=2``: how many of each kind, ``""`` for no kind."""
    found: dict[str, int] = {}
    for item in re.split(r",(?![^(]*\))", text):
        match = _GPU.match(item.strip().replace("=", ":"))
        if match:
            kind = match.group(1) or ""
            found[kind] = found.get(kind, 0) + int(match.group(2) or 1)
    return found


def minutes(text: str) -> float | None:
    """Read a time limit (``1-02:30:00``, ``UNLIMITED``); None where there is none."""
    if text.upper() in ("UNLIMITED", "INFINITE", "NONE", "N/A", ""):
        return None
    days, dash, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if dash:
        hours, mins, seconds = [*parts, 0, 0][:3]
    else:
        hours, mins, seconds = {1: [0, *parts, 0], 2: [0, *parts], 3: parts}[len(parts)]
    return int(days or 0) * 1440 + hours * 60 + mins + seconds / 60


def max_array_size(text: str) -> int:
    """Read ``scontrol show config``: how many tasks an array may have, SLURM's own default where it is not said."""
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", text, re.MULTILINE)
    return max(1, int(match.group(1))) if match else 1001


def _limit(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None

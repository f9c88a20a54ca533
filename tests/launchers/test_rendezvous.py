"""How the processes of one job find each other: what each is told, by SLURM's variables or on this machine."""

from __future__ import annotations

from typing import Any

import pytest

from nemo_partial_hydra.launchers.settings import Settings
from nemo_partial_hydra.launchers.worker import rendezvous

TWO_BY_TWO = {"nodes": 2, "tasks_per_node": 2}
IN_SLURM = {
    "SLURM_JOB_ID": "123456", "SLURM_ARRAY_JOB_ID": "123450", "SLURM_ARRAY_TASK_ID": "5", "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_JOB_NODELIST": "n[1-2]",
}  # fmt: skip
HERE = {"SUBMITIT_LOCAL_JOB_ID": "4711", "SUBMITIT_LOCAL_NTASKS": "2", "SUBMITIT_LOCAL_GLOBALID": "1"}
MEET = {"MASTER_ADDR": "n1", "MASTER_PORT": "18456"}
RANKS = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "NODE_RANK": "1",
    "GROUP_RANK": "1",
}
RANKS_HERE = {
    "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "19711", "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2", "NODE_RANK": "0", "GROUP_RANK": "0", "SLURM_PROCID": "1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "torch_env", "environment", "told"),
    [
        ({}, False, IN_SLURM, {}),
        (TWO_BY_TWO, False, IN_SLURM, MEET),
        (TWO_BY_TWO, True, IN_SLURM, {**MEET, **RANKS}),
        ({}, True, {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "a-b.c"}, {
            "MASTER_ADDR": "a-b.c", "MASTER_PORT": "15007", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0",
            "LOCAL_WORLD_SIZE": "1", "NODE_RANK": "0", "GROUP_RANK": "0",
        }),
        ({"tasks_per_node": 2}, False, HERE, RANKS_HERE),
        ({}, False, {"SUBMITIT_LOCAL_JOB_ID": "4711", "SUBMITIT_LOCAL_NTASKS": "1"}, {}),
    ],
)  # fmt: skip
def test_each_process_is_told_where_to_meet_and_who_it_is(
    resources: dict[str, Any], torch_env: bool, environment: dict[str, str], told: dict[str, str]
) -> None:
    assert rendezvous.variables(Settings(resources=resources, torch_env=torch_env), environment) == told


@pytest.mark.parametrize(
    ("hosts", "first"),
    [
        ("n1", "n1"), ("n1,n2", "n1"), ("n[1-2,7],m3", "n1"), ("n[01-12]", "n01"), ("r[1-2]n[03,5],x", "r1n03"),
        ("gpu-a.site,b", "gpu-a.site"), ("n[5,7]-ib", "n5-ib"), ("", ""),
    ],
)  # fmt: skip
def test_the_first_node_is_found_in_slurms_spelling(hosts: str, first: str) -> None:
    assert rendezvous.first_host(hosts) == first

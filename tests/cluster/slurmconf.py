"""The configuration of the lab's SLURM: pure text made from a few facts.

Three nodes on one machine are three slurmd with a name, port and spool directory each.  Everything listens on loopback.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NODES = ("n1", "n2", "n3")
CPUS = 4  # of each node, whatever the machine has: SlurmdParameters=config_overrides
MEMORY = 16000  # MB of each node, likewise
CONTROLLER_PORT = 26817
DATABASE_PORT = 26819
NODE_PORTS = {"n1": 26821, "n2": 26822, "n3": 26823}
CLUSTER = "lab"

# What a drill may want otherwise (Lab.configured) is here, one option a key.
OPTIONS: Mapping[str, str] = {
    "SlurmctldParameters": "preempt_send_user_signal",
    "SlurmdParameters": "config_overrides",
    # otherwise daemons and srun listen on every address
    "CommunicationParameters": "NoInAddrAny,NoCtldInAddrAny",
    "JobAcctGatherType": "jobacct_gather/none",
    "SelectType": "select/cons_tres",
    "SelectTypeParameters": "CR_CPU_Memory",
    "DefMemPerCPU": "4000",
    "SchedulerType": "sched/backfill",
    "SchedulerParameters": "batch_sched_delay=0,sched_min_interval=200000,sched_interval=2,bf_interval=2",
    "PreemptType": "preempt/partition_prio",
    "PreemptMode": "REQUEUE",
    "SwitchType": "switch/none",
    "MpiDefault": "none",
    "JobCompType": "jobcomp/none",
    "ReturnToService": "2",
    "SlurmctldTimeout": "30",
    "SlurmdTimeout": "60",
    "InactiveLimit": "0",
    "KillWait": "5",
    "MinJobAge": "600",
    "MessageTimeout": "20",
    "TCPTimeout": "5",
    "MaxArraySize": "10001",
    "MaxJobCount": "30000",
    "EnforcePartLimits": "NO",  # the default, under which an impossible job is accepted and waits for ever
    "MailProg": "/bin/true",
    "DisableRootJobs": "NO",
}


@dataclass(frozen=True)
class Facts:
    """What the configuration depends on: the machine's name, the lab's directory, how processes are tracked."""

    hostname: str
    state: Path
    proctrack: str  # cgroup or linuxproc

    @property
    def munge_socket(self) -> Path:
        return self.state / "munge" / "munge.socket"


def slurm_conf(facts: Facts, changes: Mapping[str, str]) -> str:
    """Give slurm.conf, with some options otherwise than in ``OPTIONS``."""
    state = facts.state
    fixed = {
        "ClusterName": CLUSTER,
        "SlurmctldHost": f"{facts.hostname}(127.0.0.1)",
        "SlurmctldPort": str(CONTROLLER_PORT),
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        # a requeued job waits until the credential of its last run has expired: 120 s unless told
        "AuthInfo": f"socket={facts.munge_socket},cred_expire=5",
        "CredType": "cred/munge",
        "StateSaveLocation": f"{state}/slurmctld",
        "SlurmdSpoolDir": f"{state}/slurmd-%n",
        "SlurmctldPidFile": f"{state}/run/slurmctld.pid",
        "SlurmdPidFile": f"{state}/run/slurmd-%n.pid",
        "SlurmctldLogFile": f"{state}/log/slurmctld.log",
        "SlurmdLogFile": f"{state}/log/slurmd-%n.log",
        "ProctrackType": f"proctrack/{facts.proctrack}",
        "TaskPlugin": "task/cgroup" if facts.proctrack == "cgroup" else "task/none",
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": str(DATABASE_PORT),
        "AccountingStoragePass": str(facts.munge_socket),
    }
    lines = [f"{key}={value}" for key, value in {**fixed, **OPTIONS, **changes}.items()]
    for node in NODES:
        lines.append(
            f"NodeName={node} NodeHostname={facts.hostname} NodeAddr=127.0.0.1 Port={NODE_PORTS[node]}"
            f" CPUs={CPUS} RealMemory={MEMORY} State=UNKNOWN"
        )
    every = ",".join(NODES)
    lines += [
        f"PartitionName=debug Nodes={every} Default=YES MaxTime=60 DefaultTime=10 PriorityTier=10 PreemptMode=OFF",
        f"PartitionName=small Nodes={NODES[0]} MaxTime=2 DefaultTime=1 MaxNodes=1 MaxCPUsPerNode=2 PriorityTier=10"
        " PreemptMode=OFF",
        # a job of debug that needs the CPUs has one of these signalled, and requeued after the grace time
        f"PartitionName=spot Nodes={every} MaxTime=60 DefaultTime=10 PriorityTier=1 PreemptMode=REQUEUE GraceTime=10",
    ]
    return "\n".join(lines) + "\n"


def cgroup_conf() -> str:
    return "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\nConstrainRAMSpace=yes\n"


def slurmdbd_conf(facts: Facts) -> str:
    state = facts.state
    options = {
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={facts.munge_socket}",
        "DbdHost": "localhost",
        "DbdAddr": "127.0.0.1",
        "DbdPort": str(DATABASE_PORT),
        "SlurmUser": "root",
        "LogFile": f"{state}/log/slurmdbd.log",
        "PidFile": f"{state}/run/slurmdbd.pid",
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "localhost",  # by socket: the database has no port
        "StorageUser": "slurm",
        "StoragePass": "slurm",
        "StorageLoc": "slurm_acct_db",
        "CommunicationParameters": "NoInAddrAny",
    }
    return "".join(f"{key}={value}\n" for key, value in options.items())

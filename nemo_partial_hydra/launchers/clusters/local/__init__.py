"""This machine as a cluster, without a scheduler.

May import: what the launchers may; submitit, inside functions.

| question | module |
|---|---|
| the protocol, for this machine | ``cluster`` |
| how do jobs run here, some at a time | ``run`` |
| does a job's process still exist | ``liveness`` |
"""

"""What runs on the host around one job.

May import: what the launchers may.

| question | module |
|---|---|
| what the cluster starts for one task | ``task`` |
| the container as a child process | ``payload`` |
| what did a container complain of that did not start | ``complaint`` |
| how the processes of one job find each other | ``rendezvous`` |
"""

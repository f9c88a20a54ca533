"""How one job runs in Apptainer.

May import: what the launchers may; ``enter`` only the standard library, since it runs in the container.

| question | module |
|---|---|
| the command line and environment of a container | ``command`` |
| which directories are bound | ``bind`` |
| the first process inside | ``enter`` |
"""

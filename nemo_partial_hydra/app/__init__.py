"""``nph.main``: an app around ``hydra.main``.

May import: ``listing`` and what it may import; Hydra, inside functions.

| question | module |
|---|---|
| how does an app run | ``main`` |
| what does Hydra call | ``task`` |
| which flags are there, and what names them | ``known_flags`` |
| what is on its command line | ``command_line`` |
| what of it does Hydra get | ``hydra_arguments`` |
| what does Hydra get instead of what it refuses | ``spellings`` |
| what does its help say besides Hydra's | ``help`` |
| no garbage collection for an answer | ``collector`` |
"""

"""The command ``nemo-hydra``.

May import: everything, inside the commands.

| question | module |
|---|---|
| the command line, errors, exit codes | ``main`` |
| the commands, a module each | ``commands`` |
| how far a command is | ``progress`` |
| what does a shell complete | ``shells`` |
| whose signatures are demanded | ``signers`` |
| which targets do recipe files name | ``targets`` |
"""

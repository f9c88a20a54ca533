"""Recipe factories exported as libraries, and libraries checked.

May import: ``composition`` and what it may import.

| question | module |
|---|---|
| which factories does a module have | ``factories`` |
| which arguments do they get | ``arguments`` |
| how is a factory called, and its recipe written | ``recipes`` |
| which of its arguments does a recipe refer to | ``kept`` |
| which group and option does a factory become | ``places`` |
| how is a library made | ``library`` |
| how does it replace the old one | ``publish`` |
| are all recipes of a library fine | ``check`` |
| who has signed a library | ``signed_library`` |
| what is an executor of nemo_run as settings of a launcher | ``executor`` |
| which modules of the user's own are imported | ``own_code`` |
| what does an export in a job run | ``in_job`` |
"""

"""The first process in the container: sets the job's variables, then becomes the job's own interpreter.

May import: the standard library only; it is run as a file, by ``python3 -I -S``. Apptainer hands variables into
a container by way of a shell script, whose quoting breaks at values like ``|&`` or ``'`` (1.4.5): then none of them
arrives. So all variables come in one, in letters that no shell cares about.
"""

import base64
import json
import os
import sys

VARIABLE = "NEMO_PARTIAL_HYDRA_VARIABLES"


def encoded(values: dict[str, str]) -> str:
    """Return variables as the text of one, which has only letters, digits, ``-``, ``_`` and ``=``."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


def decoded(text: str) -> dict[str, str]:
    """Return the variables of a text that ``encoded`` made."""
    values: dict[str, str] = json.loads(base64.urlsafe_b64decode(text))
    return values


if __name__ == "__main__":
    os.environ.update(decoded(os.environ.pop(VARIABLE)))
    os.execvp(sys.argv[1], sys.argv[1:])

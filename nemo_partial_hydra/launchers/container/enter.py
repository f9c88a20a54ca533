"""The first process in the container: sets the job's variables, then becomes the job's own interpreter.

May import: ``os``, ``sys`` and what is built in, since it starts before every job; it is run as a file, by
``python3 -I -S``. Apptainer hands variables into a container by way of a shell script, whose quoting breaks at values
like ``|&`` or ``'`` (1.4.5): then none of them arrives. So all variables come in one, in letters that no shell cares
about.
"""

import binascii
import os
import sys

VARIABLE = "NEMO_PARTIAL_HYDRA_VARIABLES"


def encoded(values: dict[str, str]) -> str:
    """Return variables as the text of one, which has only letters, digits, ``+``, ``/`` and ``=``."""
    entries = (os.fsencode(name) + b"=" + os.fsencode(value) for name, value in values.items())
    return binascii.b2a_base64(b"\0".join(entries), newline=False).decode()


def decoded(text: str) -> dict[str, str]:
    """Return the variables of a text that ``encoded`` made."""
    values: dict[str, str] = {}
    for entry in binascii.a2b_base64(text).split(b"\0"):
        name, found, value = entry.partition(b"=")
        if found:
            values[os.fsdecode(name)] = os.fsdecode(value)
    return values


def searched(text: str) -> str:
    """Return the entries of a PYTHONPATH that are no directory of the job: an empty or relative one would be."""
    return os.pathsep.join(entry for entry in text.split(os.pathsep) if os.path.isabs(entry))


if __name__ == "__main__":
    os.environ.update(decoded(os.environ.pop(VARIABLE)))
    if "PYTHONPATH" in os.environ:  # the image's own, or what was set for the job
        os.environ["PYTHONPATH"] = searched(os.environ["PYTHONPATH"])
    os.execvp(sys.argv[1], sys.argv[1:])

"""A process that has imported the packages of others that an app needs, and forks for each run of a script.

Half of what a small Hydra app takes is the import of Hydra, OmegaConf, their parser and PyYAML.  A fork has them
already; this package and the app's modules it imports itself, as any process does.  Where the app's own modules import
NeMo-Run, which takes ten times as long, that is imported before too.  The server imports nothing of ours:
``tests.support.forks`` starts it as a script, and says when a run must have an interpreter of its own instead.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import json
import os
import runpy
import socket
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType

PRELOADED = (
    "yaml",
    "omegaconf",
    "hydra",
    "hydra.main",
    "hydra.compose",
    "hydra.utils",
    "hydra.core.hydra_config",
    "hydra.core.plugins",
    "hydra._internal.hydra",
    "hydra._internal.config_loader_impl",
)
LARGEST = 1 << 20  # bytes of a request: a command line and an environment


def serve(channel: socket.socket) -> None:
    """Fork for each request: a message with the arguments, directory, environment and umask, and two descriptors.

    The answers are the number of the process and, when it has ended, its status.  Who asks no more closes the channel.
    """
    while True:
        message, (*given,), _, _ = socket.recv_fds(channel, LARGEST, 2)
        if not message:
            return
        process = os.fork()
        if process == 0:
            channel.close()
            for number, descriptor in enumerate(given, start=1):
                os.dup2(descriptor, number)
                os.close(descriptor)
            run(**json.loads(message))
            return
        for descriptor in given:
            os.close(descriptor)
        channel.send(str(process).encode())
        channel.send(str(os.waitpid(process, 0)[1]).encode())


def run(arguments: list[str], folder: str, environment: dict[str, str], umask: int) -> None:
    """Run a script as ``python SCRIPT ...`` does, its directory first on the path, or a module as ``python -m MODULE``.

    The interpreter ends as any does, when this is left: so threads are waited for, and what is to run at exit runs.
    """
    os.chdir(folder)
    os.umask(umask)
    os.environ.clear()
    os.environ.update(environment)
    sys.orig_argv[:] = [sys.executable, *arguments]
    if "multiprocessing.process" in sys.modules:  # it notes the directory as it is imported
        vars(sys.modules["multiprocessing.process"])["ORIGINAL_DIR"] = folder
    try:
        if arguments[0] == "-m":
            run_module(*arguments[1:])
        else:
            run_script(*arguments)
    except Exception as error:
        theirs = error.__traceback__
        while theirs is not None and theirs.tb_frame.f_code.co_filename == __file__:
            theirs = theirs.tb_next
        sys.excepthook(type(error), error.with_traceback(theirs), theirs)
        sys.exit(1)


def run_module(name: str, *words: str) -> None:
    """Run a module as the main module, as the interpreter does: found once the current directory is on the path."""
    sys.argv[:] = ["-m", *words]
    sys.path[0] = os.getcwd()
    sys.modules["__main__"] = main = ModuleType("__main__")
    vars(main).update(__annotations__={}, __builtins__=builtins)
    runpy._run_module_as_main(name)  # type: ignore[attr-defined]  # what the interpreter itself calls


def run_script(given: str, *words: str) -> None:
    """Run a file as the main module."""
    script = os.path.abspath(given)
    sys.argv[:] = [given, *words]
    sys.path[0] = os.path.dirname(script)
    main = ModuleType("__main__")
    vars(main).update(
        __loader__=SourceFileLoader("__main__", script),
        __annotations__={},
        __builtins__=builtins,
        __file__=script,
        __cached__=None,
    )
    sys.modules["__main__"] = main
    with open(script, "rb") as file:
        code = compile(file.read(), script, "exec", dont_inherit=True)
    exec(code, vars(main))


if __name__ == "__main__":
    for name in (*PRELOADED, *sys.argv[2:]):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # or each fork would look through all of it again, and copy the pages that it writes its marks on
    serve(socket.socket(fileno=int(sys.argv[1])))

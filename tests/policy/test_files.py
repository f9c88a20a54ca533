"""Files that somebody else wrote: their settings of Hydra, and texts made to exhaust the reader."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nemo_partial_hydra.composition.yaml_files import ServedFiles
from nemo_partial_hydra.dialect import yaml as yamltext
from nemo_partial_hydra.dialect.yaml import load
from nemo_partial_hydra.errors import DialectError, PolicyError, RecipeError, UsageError
from nemo_partial_hydra.listing import recipe_file
from nemo_partial_hydra.runtime import session
from nemo_partial_hydra.runtime.workspace import WORKSPACE
from tests.support.apps import App
from tests.support.evil import Modules, read

T = "tests.support.targets"

# Hydra's own settings ----------------------------------------------------------------------------------------------

SETTINGS: dict[str, Any] = {
    "callback": "hydra: {callbacks: {x: {_target_: os.system}}}",
    "callback of the stack": "hydra: {callbacks: {x: {_target_: torch.hub.load}}}",
    "resolver of hydra": "hydra: {callbacks: {x: {_target_: hydra.utils.call}}}",
    "log factory": "hydra: {job_logging: {handlers: {x: {'()': subprocess.getoutput, cmd: id}}}}",
    "log class": "hydra: {job_logging: {handlers: {x: {class: mine.Handler}}}}",
    "log object": "hydra: {hydra_logging: {handlers: {x: {stream: 'ext://os.environ'}}}}",
    "log sender": "hydra: {job_logging: {handlers: {x: {class: logging.handlers.SocketHandler}}}}",
    "log into a file of a shell": "hydra: {job_logging: {handlers: {file: {filename: '${oc.env:HOME}/.bashrc'}}}}",
    "log by a reference": "hydra: {job_logging: {handlers: {file: {filename: '${mine}'}}}}",
    "log of Hydra's own": "hydra: {hydra_logging: {handlers: {x: {class: logging.FileHandler, filename: ~/x.pth}}}}",
    "log placed below hydra": "handlers: {x: {'()': logging.FileHandler, filename: requirements.txt}}",
    "placed below hydra by a defaults list": "handlers: {x: {'()': subprocess.getoutput, cmd: id}}",
    "log object by half a name": "hydra: {job_logging: {handlers: {x: {stream: 'ext://sys.stdlib_module_names'}}}}",
    "log attributes": "hydra: {job_logging: {handlers: {file: {'.': {baseFilename: x}}}}}",
    "log attributes, placed": "handlers: {x: {'.': {baseFilename: x}}}",
    "environment": "hydra: {job: {env_set: {LD_PRELOAD: ./x.so}}}",
}
PLAIN = """
hydra:
  callbacks: {log: {_target_: hydra.experimental.callbacks.LogJobReturnCallback}}
  job: {chdir: true, env_set: {OMP_NUM_THREADS: '1'}}
  job_logging:
    formatters: {simple: {format: '%(message)s'}, colour: {'()': colorlog.ColoredFormatter}}
    handlers:
      console: {class: logging.StreamHandler, stream: 'ext://sys.stdout', formatter: simple}
      file: {class: logging.FileHandler, filename: '${hydra.runtime.output_dir}/${hydra.job.name}.log'}
      other: {class: logging.handlers.RotatingFileHandler, filename: logs/steps.jsonl, maxBytes: 1000}
filename: data/train.txt
handlers: [{_target_: torch.nn.Linear, filename: data.bin}]
class: mine.Handler
"""


@pytest.mark.parametrize("text", SETTINGS.values(), ids=SETTINGS)
def test_what_a_file_makes_hydra_call_is_checked(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(f"# @package _global_\n{text}\n")
    with pytest.raises(PolicyError, match=r"model\.yaml: .*to allow it"):
        session.workspace().of(ServedFiles).read(str(path), "model.yaml", primary=False)


ELSEWHERE = (
    "/scratch/x.log ~/x.log ../x.log a/../../x.log cfg://mine.log file://x.log ${hydra.runtime.output_dir}/../x.log "
    "${hydra.run.dir}//x.log ${oc.env:HOME}/x.log ${mine}.log ${now:/tmp}/x.log ${hydra.runtime.cwd}/x.log "
    "${hydra.runtime.output_dir}x.log ${hydra.runtime.output_dir}/${oc.env:X,../../..}/x.log"
).split()
INSIDE = (
    "x.log logs/x.jsonl ./x.out ${hydra.job.name}.log ${hydra:job.num}.log ${now:%Y-%m-%d}.log x..y.log "
    "${hydra.runtime.output_dir}/x.err ${hydra:runtime.output_dir}/${hydra.job.name}.log ${hydra.sweep.dir}/x.log "
    "${hydra.run.dir}/logs/${hydra.job.num}/x.log ${hydra.runtime.output_dir}/${task_name}.log"
).split()


@pytest.mark.parametrize("part", ["job_logging", "hydra_logging"])
def test_the_log_of_a_file_stays_below_the_directory_of_its_job(part: str) -> None:
    for name in INSIDE:
        WORKSPACE.policy.check_file({"hydra": {part: {"handlers": {"x": {"filename": name}}}}})
    for name in ELSEWHERE:
        with pytest.raises(PolicyError, match="outside of the job's directory"):
            WORKSPACE.policy.check_file({"hydra": {part: {"handlers": {"x": {"filename": name}}}}})


def test_settings_in_a_group_or_package_of_hydra_are_checked() -> None:
    with pytest.raises(PolicyError, match=r"os\.system"):
        WORKSPACE.policy.check_file(load("x: {_target_: os.system}"), hydra=True)
    WORKSPACE.policy.check_file(load("x: {_target_: hydra.experimental.callbacks.LogJobReturnCallback}"), hydra=True)


def test_ordinary_settings_are_fine() -> None:
    WORKSPACE.policy.check_file(load(PLAIN))


def test_the_line_of_a_setting_allows_it() -> None:
    for text in SETTINGS.values():
        with pytest.raises(PolicyError) as info:
            WORKSPACE.policy.check_file(load(text))
        WORKSPACE.policy.check_file(load(text), [str(info.value).rpartition("--allow ")[2]])


RISKY = (
    "BASH_ENV BASH_FUNC_ls%% BROWSER CUDA_INJECTION64_PATH DYLD_INSERT_LIBRARIES GCONV_PATH GIT_CONFIG_COUNT "
    "GIT_SSH_COMMAND HOME LD_AUDIT LD_DEBUG_OUTPUT LD_PRELOAD NCCL_NET_PLUGIN OPENSSL_CONF PAGER PATH PERL5OPT "
    "PYTHONHOME PYTHONPATH PYTHONPYCACHEPREFIX PYTHONWARNINGS SLURM_CONF SSH_ASKPASS TORCH_EXTENSIONS_DIR "
    "APPTAINER_BIND SINGULARITYENV_LD_PRELOAD NPH_SIGNERS NEMO_PARTIAL_HYDRA_SEAL XDG_STATE_HOME HYDRA_MAIN_MODULE "
    "HYDRA_INSTANTIATE_ALLOWLIST_OVERRIDE"
).split()
FINE = (
    "CUDA_VISIBLE_DEVICES HF_HOME HYDRA_FULL_ERROR HF_TOKEN NCCL_DEBUG NCCL_IB_DISABLE NVTE_FUSED_ATTN OMP_NUM_THREADS "
    "PYTHONHASHSEED PYTHONUNBUFFERED PYTORCH_CUDA_ALLOC_CONF SLURM_CPU_BIND TMPDIR TOKENIZERS_PARALLELISM WANDB_MODE "
    "OUR_PATH MY_LD_PRELOAD"
).split()


@pytest.mark.parametrize("value", ["${hydra.env}", "${oc.create:{LD_PRELOAD: x}}", "${..env}"])
def test_the_environment_is_written_out(value: str) -> None:
    for hydra in ({"job": {"env_set": value}}, {"job": value}):
        with pytest.raises(PolicyError, match="has to be written out here"):
            WORKSPACE.policy.check_file({"hydra": hydra})
    WORKSPACE.policy.check_file({"hydra": {"job": {"env_set": {"OURS": value}, "name": value}}})


def test_the_line_that_allows_a_key_is_no_command_to_a_shell() -> None:
    key = "LD_$(touch mark);'x"
    with pytest.raises(PolicyError) as info:
        WORKSPACE.policy.check_file({"hydra": {"job": {"env_set": {key: "x"}}}})
    assert shlex.split(str(info.value).rpartition("--allow ")[2]) == [f"hydra.job.env_set.{key}"]


@pytest.mark.parametrize("form", ["hydra: {job: {env_set: {'%s': x}}}", "%s: x"], ids=["root", "package"])
def test_no_file_sets_what_decides_which_code_is_loaded(form: str) -> None:
    place = ("hydra", "job", "env_set")

    def check(names: list[str], allow: list[str] | None = None) -> None:
        for name in names:
            WORKSPACE.policy.check_file(load(form % name), allow or (), hydra=form == "%s: x", place=place)

    check(FINE)
    for name in RISKY:
        with pytest.raises(PolicyError, match=r"decides wh") as info:
            check([name])
        check([name], [str(info.value).rpartition("--allow ")[2]])


@pytest.mark.devices
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "linked.yaml").symlink_to("pipe.yaml")
    for path in (tmp_path / "pipe.yaml", tmp_path / "linked.yaml", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(UsageError, match="is a pipe or a device; expected a file"):
            recipe_file.read_recipe_file(str(path))
    (tmp_path / "file.yaml").write_text("a: 1\n")
    (tmp_path / "to_file.yaml").symlink_to("file.yaml")
    assert recipe_file.read_recipe_file(str(tmp_path / "to_file.yaml")) == {"a": 1}


# Texts that exhaust ------------------------------------------------------------------------------------------------

MB = 2**20
_laugh = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
_merges = [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 9)]
BOMBS: dict[str, tuple[str, str]] = {
    "flow lists": ("[" * MB, "levels deep"),
    "flow maps": ("{a: " * MB, "levels deep"),
    "block lists": ("- " * MB, "levels deep"),
    "block maps": ("".join(" " * i + "a:\n" for i in range(1000)), "levels deep"),
    "keys of keys": ("? " * MB, "levels deep"),
    "tiny nodes": ("[" + "a," * (4 * MB) + "]", "more than"),
    "tiny maps": ("[" + "{}," * (3 * MB) + "]", "more than"),
    "aliases": ("\n".join(["a0: &a0 [x]", *_laugh]), "once its aliases are expanded"),
    "merges": ("\n".join(["a0: &a0 {x: 1}", *_merges]), "once its aliases are expanded"),
    "chain of merges": (
        "\n".join(["m0: &m0 {k: 1}", *(f"m{i}: &m{i} {{<<: *m{i - 1}, k{i}: 1}}" for i in range(1, 700))]),
        "once its aliases are expanded",
    ),
    "digits": ("a: " + "9" * MB, "a number of"),
    "base sixty": ("a: 1" + ":0" * MB, "a number of"),
    "base sixty by tag": ("a: !!int '1" + ":0" * MB + "'", "a number of"),
    "float": ("a: 1" + "_1" * MB + "e5", "a number of"),
}


@pytest.mark.parametrize(("text", "why"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_with_its_place_before_it_takes_much(text: str, why: str) -> None:
    start = time.process_time()
    with pytest.raises(DialectError, match=rf"^bomb\.yaml, line \d+, column \d+: .*{why}"):
        load(text, "bomb.yaml")
    took = time.process_time() - start
    half = time.process_time()
    load("[" + "a," * 100_000 + "]")
    assert took < 20 * (time.process_time() - half), "out of proportion to an honest text of 200 KB"


def test_the_memory_is_bounded() -> None:
    text = "[" + "{}," * (5 * MB) + "]"
    tracemalloc.start()
    try:
        with pytest.raises(DialectError):
            load(text)
        assert tracemalloc.get_traced_memory()[1] < 400 * MB
    finally:
        tracemalloc.stop()


def _read_config(path: str) -> Any:
    return session.workspace().of(ServedFiles).read(path, "large.yaml", primary=False)


@pytest.mark.parametrize("reader", [_read_config, recipe_file.read_recipe_file])
def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path, reader: Callable[[str], Any]) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100 * MB)  # sparse: nothing is on the disk
    tracemalloc.start()
    try:
        with pytest.raises(DialectError, match=r"large\.yaml: 104857600 bytes are more than"):
            reader(str(path))
        assert tracemalloc.get_traced_memory()[1] < MB
    finally:
        tracemalloc.stop()


@pytest.mark.devices
def test_a_device_is_not_read() -> None:
    with pytest.raises(OSError, match="is a pipe or a device"):
        yamltext.read_text("/dev/zero")


def test_honest_texts_of_that_kind_are_read() -> None:
    assert load("a: 0x" + "f" * 10_000)["a"] == int("f" * 10_000, 16)
    assert load("a: " + "9" * 4000)["a"] == int("9" * 4000)
    assert load("a: 1:30:00") == {"a": 5400}
    assert load("a: '" + "x" * MB + "'") == {"a": "x" * MB}
    assert len(load("".join(f"k{i}: 1\n" for i in range(20_000)))) == 20_000


def test_a_mapping_that_another_has_merged_is_no_duplicate() -> None:
    text = "top: {<<: [&m {<<: &b {x: 1}, x: 2}]}\nother: *m\n"
    assert load(text) == yaml.safe_load(text)
    with pytest.raises(DialectError, match="duplicate key 'x'"):
        load("a: &a {x: 1}\nb: {<<: *a, x: 1, x: 2}\n")


@pytest.mark.parametrize("levels", [30, 60, 120, 190])
@pytest.mark.parametrize("form", ["[{}]", "{{a: {}}}", f"{{{{_target_: {T}.untyped, a: {{}}}}}}"])
@pytest.mark.parametrize("way", ["text", "config", "file"])
def test_a_deep_recipe_is_read_or_refused_with_one_message(tmp_path: Path, levels: int, form: str, way: str) -> None:
    import nemo_partial_hydra as nph

    value = "1"
    for _ in range(levels):
        value = form.format(value)
    text = f"{{_target_: {T}.untyped, a: {value}}}"
    path = tmp_path / "deep.yaml"
    path.write_text(text)
    ways: dict[str, Callable[[], Any]] = {
        "text": lambda: nph.from_yaml(text, allow=["tests"]),
        "config": lambda: nph.build(load(text), allow=["tests"]),
        "file": lambda: session.workspace().of(ServedFiles).read(str(path), "deep.yaml", primary=False),
    }
    with session.running(session.Session(("tests",))), contextlib.suppress(RecipeError):
        assert ways[way]() is not None


def test_a_fraction_whose_digits_fill_the_memory_is_refused() -> None:
    node = {"_target_": "fractions.Fraction", "_args_": ["1e999999999"]}
    with pytest.raises(RecipeError, match="exponent is out of range"):
        read({"_target_": f"{T}.untyped", "a": node})


# Listing -----------------------------------------------------------------------------------------------------------


def test_the_docs_of_a_refused_target_are_not_looked_for(module: Modules) -> None:
    import nemo_partial_hydra as nph

    evil = module("def f(a=None): ...\n")
    assert WORKSPACE.signatures.docs(f"{evil}.f") == {}
    nph.paths({"_target_": f"{T}.untyped", "a": {"_target_": f"{evil}.f", "a": 1}}, allow=["tests"])
    assert evil not in sys.modules


def test_a_folder_of_recipes_cannot_stand_in_for_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's ``torch.py`` beside ``conf`` would be imported under a name that is allowed."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("honest", "false"):
        (tmp_path / name / "conf").mkdir(parents=True)
        (tmp_path / name / "conf/a.yaml").write_text("_target_: torch.nn.Linear\n")
    (tmp_path / "honest/shop.py").write_text("")
    (tmp_path / "false/torch.py").write_text("")
    recipe_file.allow_folder(str(tmp_path / "honest/conf/a.yaml"))
    assert sys.path[-1] == str(tmp_path / "honest"), "what is installed goes first"
    with pytest.raises(UsageError, match="its 'torch' would stand in for the package of that name"):
        recipe_file.allow_folder(str(tmp_path / "false/conf/a.yaml"))
    assert str(tmp_path / "false") not in sys.path


def _doubling(first: str, link: str) -> str:
    return "\n".join([f"t0: {first}", *(f"t{i}: '" + link.replace("#", str(i - 1)) + "'" for i in range(1, 61))])


_THROUGH = "".join(f"n{i}: {{k: '${{r{i - 1}.k}}${{r{i - 1}.k}}'}}\nr{i}: ${{n{i}}}\n" for i in range(1, 41))
_NAMES = "".join(f"q{i}: t{i}\n" for i in range(60))
TEXTS = {
    "doubling": _doubling("xxxx", "${t#}${t#}"),
    "relative": _doubling("xxxx", "${.t#} ${.t#}"),
    "selected": _doubling("xxxx", "${oc.select:t#}${oc.select:t#}"),
    "with a default": _doubling("xxxx", "${oc.select:t#,x}${oc.select:t#,x}"),
    "quoted": _doubling("xxxx", '${oc.select:"t#"}${oc.select:"t#"}'),
    "in brackets": _doubling("xxxx", "${[t#]}${[t#]}"),
    "by a name that is referred to": _NAMES + _doubling("xxxx", "${${q#}}${${q#}}"),
    "through references": f"n0: {{k: xxxx}}\nr0: ${{n0}}\n{_THROUGH}t0: ${{r40.k}}\n",
    "of one empty text": _doubling("''", "${t#}${t#}"),
    "of empty ones between": _doubling("xxxx", "${t#}" + "${e}" * 50 + "${t#}") + "\ne: ''",
    "many long ones": "\n".join(["t0: " + "x" * 100_000, *(f"t{i}: ${{t0}} ${{t0}}" for i in range(1, 1000))]),
    "of a list": "l: [a, b]\n" + _doubling("${l}${l}", "${t#}${t#}"),
}


@pytest.mark.matrix
@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts_that_references_make_without_end_are_refused(tmp_path: Path, text: str, listed: bool) -> None:
    app = App(tmp_path, conf={"config": f"_target_: builtins.dict\n{text}\n"})
    done = app.inline(*(["--cfg-paths"] if listed else []))  # unbounded it takes all memory, or for ever
    assert done.code == (0 if listed else 2), done.err
    if not listed:
        line = r"Error: \w+(\.k)?: references that repeat each other lead to thousands of others, or to more "
        assert re.match(line, done.err), done.err
        assert app.left() == set()


@pytest.mark.parametrize("args", [("+t60.a.b=1",), ("-m", "steps=1,2"), ("-m", "steps=1", "hydra/launcher=freeze")])
def test_wherever_they_stand(tmp_path: Path, args: tuple[str, ...]) -> None:
    text = "r: {_target_: shop.train, _partial_: '${t60}'}\nsteps: 1\n" + _doubling("xxxx", "${t#}${t#}")
    app = App(tmp_path, conf={"config": text})
    done = app.inline(*args)
    assert done.code == 2, done.err
    assert "Traceback" not in done.err
    assert app.left() == set()


HONEST = {
    "a long text in many places": ("tok: {text: " + "x" * 20_000 + "}\nl: [" + "'${tok}'," * 300 + "]\n", "l"),
    "a container of references": (
        "b: x\nbase: {" + "".join(f"k{i}: '${{b}}', " for i in range(130)) + "}\nl: [" + "'${base}'," * 200 + "]\n",
        "l",
    ),
    "paths of paths": ("a: /x\nb: ${a}/b\nc: ${b}/c\nd: ${c}/d\nl: [" + "'${d}'," * 2000 + "]\n", "l"),
    "one root": ("root: " + "x" * 300 + "\nl: [" + "'${root}/i'," * 4000 + "]\n", "l"),
}


@pytest.mark.parametrize(("text", "key"), HONEST.values(), ids=HONEST)
def test_honest_references_are_followed(tmp_path: Path, text: str, key: str) -> None:
    found = App(tmp_path, conf={"config": f"_target_: builtins.dict\n{text}"}).called()[key]
    assert len(found) >= 200
    assert "$" not in str(found[-1])


@pytest.mark.parametrize("index", ["\u00b2", "+0", "9" * 5000])
def test_what_is_no_index_is_refused(tmp_path: Path, index: str) -> None:
    app = App(tmp_path, conf={"config": f"_target_: builtins.dict\nl: [a]\nx: '${{l.{index}}}'\n"})
    done = app.inline("--cfg-paths")
    assert done.code in (0, 2)
    done = app.inline()
    assert "Traceback" not in done.err
    assert done.code == 2 or "('x', 'a')" in done.result, done.err


# Several files of one composition ----------------------------------------------------------------------------------

BAD = {
    "config": "defaults: [{opt: fine}, {model: fine}, _self_]\n_target_: shop.train\n_partial_: true\n",
    "opt/fine": "_target_: shop.SGD\n",
    "opt/bad": "_target_: os.system\ncommand: touch called\n",
    "model/fine": "_target_: shop.Model\n",
    "model/bad": "defaults: [/deep@deep: bad]\n_target_: shop.Model\nopt: {_target_: subprocess.run}\n",
    "deep/bad": "_target_: shop.Model\nopt: {_target_: builtins.eval}\n",
}
REFUSED = (
    "opt/bad.yaml: 'os.system'",
    "model/bad.yaml: opt: 'subprocess.run'",
    "deep/bad.yaml: opt: 'builtins.eval'",
)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> App:
    return App(tmp_path_factory.mktemp("bad"), conf=BAD)


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--cfg-paths",),
        ("--cfg", "job"),
        ("-m", "steps=1,2"),
        ("-m", "steps=1,2", "hydra/launcher=freeze"),
    ],
)
def test_every_file_that_is_refused_is_in_the_report(bad: App, args: tuple[str, ...]) -> None:
    done = bad.inline(*args, "opt=bad", "model=bad", "+more={_target_: os.execv}")
    assert done.code == 3, done.err
    assert done.out == ""
    lines = done.err.splitlines()
    for text in (*REFUSED, "more: 'os.execv'"):
        assert sum(text in line for line in lines) == 1, done.err
    assert len([line for line in lines if "to allow it" in line]) == 4, done.err
    assert "Traceback" not in done.err
    assert bad.left() == set()


def test_what_is_wrong_otherwise_does_not_hide_a_refusal(bad: App) -> None:
    done = bad.inline("opt=bad", "model=bad", "opt.lr=2", "steps=many", "nothing=1")
    assert done.code == 3
    lines = done.err.splitlines()
    assert len(lines) == len(REFUSED), done.err
    for text in REFUSED:
        assert sum(text in line for line in lines) == 1, done.err


@pytest.mark.parametrize("launcher", ["basic", "freeze"])
def test_the_files_of_every_job_are_in_the_report(bad: App, launcher: str) -> None:
    done = bad.inline("-m", "opt=fine,bad", "model=fine,bad", f"hydra/launcher={launcher}")
    assert done.code == 3
    job = done.err.partition("in opt=bad model=bad")[0].rpartition("\n  in ")[2]
    for text in REFUSED:
        assert text in job, done.err
    assert bad.left() == set()


LIBRARY = """
def load(path: str, trust_remote_code: bool = True, weights_only: bool = False) -> str:
    return path
"""


def test_a_default_that_nobody_set_is_not_in_the_report(tmp_path: Path) -> None:
    conf = {**BAD, "opt/fine": "_target_: extra.load\npath: x\n"}
    app = App(tmp_path, conf=conf, modules={"extra": LIBRARY})
    assert app.inline("--cfg-paths", allow=("shop", "extra")).code == 0
    done = app.inline("model=bad", allow=("shop", "extra"))
    assert done.code == 3
    assert len(done.err.splitlines()) == 2, done.err
    assert "trust_remote_code" not in done.err

"""``nemo-hydra export``: a module of recipe factories as a library, whatever is in the module or in the way."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nemo_partial_hydra.errors import LibraryError, UsageError
from nemo_partial_hydra.export import library, places, publish
from nemo_partial_hydra.libraries import manifest
from nemo_partial_hydra.libraries.manifest import Entry, Manifest
from tests.support.forks import environment
from tests.support.recipes import MORE, RECIPES, exported, nemo_hydra, write

pytestmark = pytest.mark.matrix


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_one_short_file_a_recipe_and_one_snapshot(tmp_path: Path) -> None:
    lib = exported(tmp_path, "--with", "num_nodes=4")
    assert set(contents(lib)) == {
        "library.json",
        "signatures.json",
        "pretrain/recipes_a.yaml",
        "model/small_model.yaml",
        "recipes_a/plain.yaml",
        "experiment/big.yaml",
    }
    assert (lib / "pretrain/recipes_a.yaml").read_text() == (
        "# recipes_a.pretrain_recipe(num_nodes=4)\n"
        "_target_: recipes_a.train\n_partial_: true\nnet:\n  _target_: recipes_a.Net\n  layers: 4\nnodes: 4\n"
    )
    signatures = json.loads((lib / "signatures.json").read_text())
    net = signatures["targets"]["recipes_a.Net"]
    assert [row[0] for row in net["parameters"]] == ["layers", "hidden", "mode", "kind"]
    assert net["docs"] == {"": "A net.", "layers": "how deep it is."}
    found = manifest.read(str(lib))
    assert found.recipes["pretrain/recipes_a"].doc == "Pretrain a small net."
    assert found.left_out == {}


def test_exporting_again_gives_the_same_bytes(tmp_path: Path) -> None:
    lib = exported(tmp_path)
    before = contents(lib)
    assert nemo_hydra(tmp_path, "export", "recipes_a", "-o", "lib").code == 0
    assert contents(lib) == before
    assert nemo_hydra(tmp_path, "export", "recipes_a", "-o", "other").code == 0
    assert contents(tmp_path / "other") == before
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def test_what_gives_no_recipe_is_listed_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path, "recipes_a.py", RECIPES + MORE)
    done = nemo_hydra(tmp_path, "export", "recipes_a", "-o", "lib")
    assert done.code == 1
    assert "recipes_a.needs: needs path, net: --with needs.path=... --with needs.net=..." in done.err
    assert "recipes_a.fails: raises RuntimeError: no GPU here" in done.err
    assert "recipes_a.lost: net: a lambda" in done.err
    assert "4 recipes, 3 left out" in done.out
    left_out = manifest.read(str(tmp_path / "lib")).left_out
    assert set(left_out) == {"recipes_a.needs", "recipes_a.fails", "recipes_a.lost"}


def test_arguments(tmp_path: Path) -> None:
    write(tmp_path, "recipes_a.py", RECIPES + MORE)
    given = ["--with", "needs.path=/data", "net?=@small_model", "--with", "num_nodes=4"]
    done = nemo_hydra(tmp_path, "export", "recipes_a", "-o", "lib", *given)
    assert "needs:" not in done.err, done.err
    text = (tmp_path / "lib/recipes_a/needs.yaml").read_text()
    assert text.startswith("# recipes_a.needs(path=/data, net=@small_model)\n")
    assert "layers: 1\npath: /data\n" in text
    done = nemo_hydra(tmp_path, "export", "recipes_a", "-o", "lib", "--with", "path=???", "net?=@small_model")
    assert '\npath: "???"\n' in (tmp_path / "lib/recipes_a/needs.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["recipes_b"], 2, "there is no module 'recipes_b' here; did you mean 'recipes_a'?"),
        (["recipes_a", "--with", "num_nodez=4"], 2, "--with num_nodez: no factory takes it; did you mean 'num_nodes'?"),
        (["recipes_a", "--with", "4"], 2, "--with 4: expected name=value"),
        (["recipes_a", "--out", "no/where"], 2, "--out no/where: there is no directory"),
        (["recipes_a", "--out", "recipes_a.py"], 2, "a file is in the way"),
        (["recipes_a", "--out", "full"], 2, "has other files and is no library"),
        (["recipes_a", "--out", "/proc/lib"], 2, "--out /proc/lib: nothing can be made in '/proc'"),
        (["broken"], 2, "importing 'broken' fails: ZeroDivisionError"),
    ],
)
def test_wrong_inputs(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    write(tmp_path, "recipes_a.py", RECIPES)
    write(tmp_path, "broken.py", "1 / 0\n")
    write(tmp_path, "full/notes.txt", "mine")
    done = nemo_hydra(tmp_path, "export", *arguments)
    assert (done.code, message in done.err, "Traceback" in done.err) == (code, True, False), done.err
    assert (tmp_path / "full/notes.txt").read_text() == "mine"


def test_no_permission() -> None:
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o555)
    out = os.path.join(folder, "lib")
    child = os.fork()
    if child == 0:
        if os.getuid() == 0:
            os.setuid(65534)  # root may write everywhere
        try:
            publish.check(out)
        except UsageError as error:
            os._exit(17 if "no permission to write" in str(error) else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17
    os.rmdir(folder)


def made(**texts: str) -> library.Exported:
    files = {f"{name.replace('__', '/')}.yaml": text for name, text in texts.items()}
    entries = {
        name.removesuffix(".yaml"): Entry("f()", "", manifest.digest(text.encode())) for name, text in files.items()
    }
    return library.Exported(files, Manifest("made", recipes=entries), "{}\n")


def test_own_recipes_are_kept_and_edited_ones_not_overwritten(tmp_path: Path) -> None:
    out = str(tmp_path / "lib")
    publish.write(made(model__a="a: 1\n", model__b="b: 1\n"), out)
    write(tmp_path, "lib/model/mine.yaml", "mine: 1\n")
    publish.write(made(model__a="a: 2\n"), out)
    assert {name: text for name, text in contents(tmp_path / "lib").items() if name.startswith("model")} == {
        "model/a.yaml": b"a: 2\n",
        "model/mine.yaml": b"mine: 1\n",
    }
    write(tmp_path, "lib/model/a.yaml", "a: edited\n")
    with pytest.raises(LibraryError, match=r"edited since it was exported: model/a\.yaml; --force"):
        publish.write(made(model__a="a: 3\n"), out)
    assert (tmp_path / "lib/model/a.yaml").read_text() == "a: edited\n"
    publish.write(made(model__a="a: 3\n"), out, force=True)
    assert (tmp_path / "lib/model/a.yaml").read_text() == "a: 3\n"
    with pytest.raises(LibraryError, match="added by hand, and now a factory has the same name"):
        publish.write(made(model__mine="mine: 2\n"), out)
    assert (tmp_path / "lib/model/mine.yaml").read_text() == "mine: 1\n"


def test_a_full_disk_leaves_the_old_library(tmp_path: Path) -> None:
    out = str(tmp_path / "lib")
    publish.write(made(model__a="a: 1\n"), out)
    before = contents(tmp_path)
    script = (
        "import resource, signal, sys\n"
        "from tests.export.test_export import made\n"
        "from nemo_partial_hydra.export import publish\n"
        "from nemo_partial_hydra.errors import UsageError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        f"    publish.write(made(model__a='a: ' + 'x' * 10000 + '\\n'), {out!r})\n"
        "except UsageError as error:\n"
        "    sys.exit(str(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "what was there is as it was" in done.stderr
    assert contents(tmp_path) == before


def test_an_interrupted_export_leaves_the_old_library(tmp_path: Path) -> None:
    lib = exported(tmp_path)
    before = contents(lib)
    hang = "\nimport os, time\n\ndef waits() -> run.Partial:\n    open('begun', 'w').close()\n    time.sleep(60)\n"
    write(tmp_path, "recipes_a.py", RECIPES + hang)
    command = [sys.executable, "-m", "nemo_partial_hydra.cli", "export", "recipes_a", "-o", "lib"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
    errors = ""
    while process.returncode is None:  # Python drops an interrupt that comes while it finalizes an object
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            errors = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert errors.endswith("Interrupted.\n")
    assert contents(lib) == before


def test_killed_between_two_renames_the_old_library_comes_back(tmp_path: Path) -> None:
    out = tmp_path / "lib"
    publish.write(made(model__a="a: 1\n"), str(out))
    before = contents(out)
    os.rename(out, tmp_path / ".lib.before")
    publish.check(str(out))
    assert contents(out) == before


def test_two_exports_at_once(tmp_path: Path) -> None:
    write(tmp_path, "recipes_a.py", RECIPES)
    command = [sys.executable, "-m", "nemo_partial_hydra.cli", "export", "recipes_a", "-o", "lib"]
    both = [subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert manifest.read(str(tmp_path / "lib")).recipes
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged or half-written"),
        ('{"format": 99}', "was written by a newer version"),
        ('{"format": 1, "name": "x"}', "damaged or half-written"),
        (None, "is no recipe library: it has no library.json"),
    ],
)
def test_damaged_manifests(tmp_path: Path, text: str | None, message: str) -> None:
    shutil.rmtree(tmp_path / "lib", ignore_errors=True)
    (tmp_path / "lib").mkdir()
    if text is not None:
        write(tmp_path, "lib/library.json", text)
    with pytest.raises(LibraryError, match=message):
        manifest.read(str(tmp_path / "lib"))


def test_names_are_those_of_nemo() -> None:
    def named(module: str, function: str) -> str:
        return "/".join(places.place(module, function))

    recipes = "nemo.collections.llm.recipes"
    assert named(f"{recipes}.llama3_8b", "model") == "model/llama3_8b"
    assert named(f"{recipes}.llama3_8b", "pretrain_recipe") == "pretrain/llama3_8b"
    assert named(f"{recipes}.finetune_default", "default_finetune_recipe") == "finetune/default_finetune"
    assert named(f"{recipes}.finetune_default", "lora") == "peft/lora"
    assert named(f"{recipes}.optim.adam", "pytorch_adam_with_flat_lr") == "optim/pytorch_adam_with_flat_lr"
    assert named(f"{recipes}.precision.mixed_precision", "bf16_mixed") == "precision/bf16_mixed"
    assert named(f"{recipes}.log.default", "default_resume") == "resume/default_resume"
    assert named("nemo.collections.llm.modelopt.recipes.prune_recipe", "prune_recipe") == "modelopt/prune"
    assert named("mine", "tiny") == "mine/tiny"


def test_no_two_factories_share_a_place() -> None:
    factories = [("a.recipes.x", "tokenizer"), ("a.recipes.x", "tokenizer_recipe"), ("b.recipes.x", "tokenizer")]
    found = places.places(factories)
    assert len(set(found.values())) == 3
    assert found["a.recipes.x", "tokenizer"] == ("tokenizer", "x")

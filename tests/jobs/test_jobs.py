"""Frozen jobs: the same recipe has the same hash, the job runs as the config does, and nothing secret is written."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nemo_partial_hydra as nph
from nemo_partial_hydra.composition.decode import config_to_tree
from nemo_partial_hydra.jobs.content_hash import recipe_hash
from nemo_partial_hydra.jobs.job import Job, job_text, read_head, read_job
from nemo_partial_hydra.jobs.layout import find_jobs, job_paths, sweep_paths
from nemo_partial_hydra.jobs.outcome import read_result
from nemo_partial_hydra.jobs.placeholders import Placeholders, expand, is_secret
from nemo_partial_hydra.jobs.status import Status, read_status, write_status
from nemo_partial_hydra.runtime.workspace import WORKSPACE
from tests.support import laws
from tests.support.apps import CONF, SCRIPT, App
from tests.support.jobs import frozen, recipe

pytestmark = pytest.mark.matrix

OPEN = (
    CONF["config"]
    + """
        out: ${hydra:runtime.output_dir}/checkpoints
        name: ${hydra:sweep.dir}/shared/${oc.env:NPH_TEST_PLACE,here}
        tags: {token: "${oc.env:NPH_TEST_TOKEN,null}", both: "a ${oc.env:NPH_TEST_KEY} b", literal: '\\${oc.env:HOME}'}
        """
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return App(tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module", autouse=True)
def _loaded(app: App) -> None:
    """Have the apps' module loaded, whichever test comes first."""
    app.called()


@pytest.fixture(scope="module")
def opening(tmp_path_factory: pytest.TempPathFactory) -> App:
    """An app whose recipe uses its own directory and secrets."""
    return App(tmp_path_factory.mktemp("opening"), {**CONF, "config": OPEN})


def freeze(app: App, directory: Path, *overrides: str) -> Job:
    return nph.freeze(app.compose(*overrides), directory, allow=["shop"])


def test_frozen_twice_is_the_same_job(app: App, tmp_path: Path) -> None:
    first = freeze(app, tmp_path / "a", "steps=7", "opt=adam")
    second = freeze(app, tmp_path / "b", "opt=adam", "steps=7")
    assert first.hash == second.hash
    assert first.recipe == second.recipe
    assert freeze(app, tmp_path / "c", "steps=8", "opt=adam").hash != first.hash


def test_the_hash_is_that_of_the_recipe_and_nothing_else(app: App, tmp_path: Path) -> None:
    job = freeze(app, tmp_path / "a")
    assert job.hash == recipe_hash(job.recipe)
    other = dataclasses.replace(job, name="x", num=9, user="y", created="z", overrides=("q=1",), git={"commit": "1"})
    other.verify()
    with pytest.raises(nph.RefusedError):
        dataclasses.replace(job, recipe={**job.recipe, "steps": 99}).verify()


def test_freezing_over_the_same_changes_nothing_and_over_another_is_refused(app: App, tmp_path: Path) -> None:
    first = freeze(app, tmp_path / "a", "steps=7")
    before = (tmp_path / "a/job.yaml").read_bytes(), os.stat(tmp_path / "a/job.yaml").st_ino
    assert freeze(app, tmp_path / "a", "steps=7") == first
    with pytest.raises(nph.JobError, match="another job is frozen there"):
        freeze(app, tmp_path / "a", "steps=8")
    assert before == ((tmp_path / "a/job.yaml").read_bytes(), os.stat(tmp_path / "a/job.yaml").st_ino)


OVERRIDES = [
    (),
    ("opt=adam", "optimizers.0.lr=5e-4", "model.config.sizes=[1,2]"),
    ("+experiment=fast", "limit=null", "name='a ${steps}'", "name=x\\ y"),
    ("+_append_={optimizers: [{_target_: shop.Adam, mode: SLOW}]}",),
    ("+_delete_=[optimizers.0]", "+_replace_={opt: {_target_: shop.Adam, lr: 3}}"),
    ("tags={a: [1, {b: .nan}], c: ${steps}}", "deadline='0:10:00'", "out=/x/y"),
]


@pytest.mark.parametrize("overrides", OVERRIDES)
def test_the_frozen_recipe_is_the_config(app: App, tmp_path: Path, overrides: tuple[str, ...]) -> None:
    config = app.compose(*overrides)
    job = freeze(app, tmp_path / "a", *overrides)
    tree = WORKSPACE.read_tree(dict(job.recipe), ["shop"])
    assert repr(tree) == repr(config_to_tree(config, ["shop"]))
    assert repr(nph.run(dict(job.recipe), allow=["shop"])) == repr(nph.run(config, allow=["shop"]))
    assert read_job(job_paths(tmp_path / "a")) == job


def test_running_the_job_is_running_the_config(app: App, tmp_path: Path) -> None:
    freeze(app, tmp_path / "a", "opt=adam", "steps=9", "model.config.layers=3")
    done = _cli(app, "run", str(tmp_path / "a"))
    assert done.returncode == 0, done.stderr
    result = app.called("opt=adam", "steps=9", "model.config.layers=3")
    assert read_result(job_paths(tmp_path / "a")) == repr(result)


def _cli(app: App, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nemo_partial_hydra.cli", *arguments, "--allow", "shop"],
        cwd=app.folder,
        env=app.environment(env),
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_left_open_and_what_is_not(opening: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPH_TEST_TOKEN", "very-secret-1")
    monkeypatch.setenv("NPH_TEST_KEY", "very-secret-2")
    monkeypatch.setenv("NPH_TEST_PLACE", "there")
    job = freeze(opening, tmp_path / "a")
    assert job.recipe["out"] == "${hydra:runtime.output_dir}/checkpoints"
    assert job.recipe["name"] == "${hydra:sweep.dir}/shared/there"
    assert job.recipe["tags"] == {
        "token": "${oc.env:NPH_TEST_TOKEN,null}",
        "both": "a ${oc.env:NPH_TEST_KEY} b",
        "literal": "\\${oc.env:HOME}",
    }
    assert "very-secret" not in (tmp_path / "a/job.yaml").read_text()
    monkeypatch.setenv("NPH_TEST_KEY", "other")
    assert freeze(opening, tmp_path / "b").hash == job.hash
    done = _cli(opening, "run", str(tmp_path / "a"), env={"NPH_TEST_KEY": "k"})
    assert done.returncode == 0, done.stderr
    result = read_result(job_paths(tmp_path / "a"))
    for text in (
        f"'out': PosixPath('{tmp_path}/a/checkpoints')",
        "'token': None",
        "'both': 'a k b'",
        "'literal': '${oc.env:HOME}'",
    ):
        assert text in result


def test_no_secret_reaches_any_file_of_a_sweep(opening: App) -> None:
    secret = {"NPH_TEST_TOKEN": "geheim-1", "NPH_TEST_KEY": "geheim-2"}
    done = opening.run(
        "-m",
        "steps=1,2",
        "hydra/launcher=freeze",
        "hydra.sweep.dir=secretive",
        "hydra.job.env_copy=[NPH_TEST_TOKEN]",
        env=secret,
    )
    assert done.code == 0, done.err
    files = [path for path in (opening.folder / "secretive").rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"multirun.yaml", "job.yaml"}
    assert not [path for path in files if "geheim" in path.read_text()]
    assert "${oc.env:NPH_TEST_TOKEN}" in (opening.folder / "secretive/multirun.yaml").read_text()
    opening.clean()


@pytest.mark.parametrize("name", "HF_TOKEN api_key DB_PASSWORD AWS_SECRET_ACCESS_KEY GOOGLE_CREDENTIALS".split())
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", "HOME PWD OLDPWD PATH TOKENIZERS_PARALLELISM KEYBOARD USER COMPASS".split())
def test_names_of_what_is_none(name: str) -> None:
    assert not is_secret(name)


TEXTS = st.text(st.sampled_from("ab\\${}:., \n\"'é"), max_size=12)


@settings(max_examples=laws.tries(200))
@given(before=TEXTS, after=TEXTS, value=TEXTS, default=st.one_of(st.none(), st.text("abc é.", max_size=5)))
def test_any_text_around_what_is_left_open_comes_back(before: str, after: str, value: str, default: str | None) -> None:
    from nemo_partial_hydra.dialect.scalars import escape_interpolation, unescape_interpolation

    placeholders = Placeholders()
    job, name = placeholders.directory("hydra:runtime.output_dir"), placeholders.variable("A_TOKEN", default)
    written = placeholders.restored({"x": escape_interpolation(f"{before}{job}{after}{name}{before}")})
    assert placeholders.id not in str(written)
    for environment, real in (({"A_TOKEN": value}, value), ({}, str(default))):
        text = expand(written, Path("/j/${x}"), ".", environment)["x"]
        assert unescape_interpolation(text) == f"{before}/j/${{x}}{after}{real}{before}"


def test_what_another_process_cannot_make_is_refused(app: App, tmp_path: Path) -> None:
    import functools

    shop = sys.modules["shop"]
    tagged = functools.partial(shop.train, tags={"x": nph.raw(object())}, opt=nph.raw(object()))
    with pytest.raises(nph.ValidationError) as raised:
        nph.freeze(nph.to_config(tagged), tmp_path / "a", allow=["shop"])
    assert "tags.x" in str(raised.value)
    assert "opt: " in str(raised.value)
    with pytest.raises(nph.ValidationError, match="size: need requires it"):
        nph.freeze({"_target_": "shop.need", "_partial_": True}, tmp_path / "a", allow=["shop"])
    with pytest.raises(nph.PolicyError):
        nph.freeze({"_target_": "os.system", "_partial_": True, "command": "true"}, tmp_path / "a")
    assert not (tmp_path / "a").exists()


MAIN = """
import functools
import nemo_partial_hydra as nph

def train(steps: int = 1):
    return steps

@nph.recipe(name="config")
def config():
    return functools.partial(train, steps=2)

@nph.main(config_name="config")
def main(cfg):
    print("RESULT", nph.run(cfg))

if __name__ == "__main__":
    main()
"""


def test_targets_of_the_script_itself_are_refused(tmp_path: Path) -> None:
    app = App(tmp_path, {}, script=MAIN)
    assert app.run("steps=5").result == "5"
    done = app.run("-m", "steps=5,6", "hydra/launcher=freeze", "hydra.sweep.dir=jobs")
    assert done.code == 2
    assert "'__main__.train' exists only in the script that runs now" in done.err
    assert "move it into a module" in done.err
    assert not (tmp_path / "jobs").exists() or not find_job_files(tmp_path / "jobs")


def find_job_files(folder: Path) -> list[Path]:
    return list(folder.rglob("job.yaml"))


PLAIN = """
import hydra
import nemo_partial_hydra as nph

@hydra.main(config_path="conf", config_name="config", version_base=None)
def main(cfg):
    print("RESULT", nph.run(cfg, allow=["shop"]))

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module", params=["recipe", "basic", "plain"])
def swept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[App, Path]:
    """A frozen sweep: under the recipe sweeper, Hydra's basic one, and in a plain Hydra app."""
    folder = tmp_path_factory.mktemp("swept")
    app = App(folder, script=PLAIN) if request.param == "plain" else App(folder)
    plain = request.param == "plain"  # its function is sent with the config, unless it is said otherwise
    sweeper = ["hydra.launcher.payload=recipe"] if plain else [f"hydra/sweeper={request.param}"]
    done = app.run(
        "-m", "model.config.hidden=1,2", "opt=sgd,adam", "hydra/launcher=freeze", "hydra.sweep.dir=jobs",
        "hydra.job.name=two words", *sweeper,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "4 jobs are frozen in jobs: nemo-hydra run jobs" in done.out
    assert "RESULT" not in done.out
    return app, folder / "jobs"


def test_a_sweep_becomes_a_directory_of_jobs(swept: tuple[App, Path]) -> None:
    app, folder = swept
    jobs = [read_job(paths) for paths in find_jobs(folder)]
    assert [(job.num, job.subdir, tuple(job.overrides)) for job in jobs] == [
        (0, "0", ("model.config.hidden=1", "opt=sgd")),
        (1, "1", ("model.config.hidden=1", "opt=adam")),
        (2, "2", ("model.config.hidden=2", "opt=sgd")),
        (3, "3", ("model.config.hidden=2", "opt=adam")),
    ]
    assert {job.name for job in jobs} == {"two words"}
    assert {job.app for job in jobs} == {str(app.folder)}
    assert jobs[0].packages["nemo_partial_hydra"] == nph.__version__
    assert {path.name for path in folder.iterdir()} == {"0", "1", "2", "3", "multirun.yaml"}
    for job in jobs:
        assert repr(nph.run(dict(job.recipe), allow=["shop"])) == repr(app.called(*job.overrides))


def test_a_mistake_in_one_job_freezes_none(app: App) -> None:
    done = app.run("-m", "steps=1,x,2", "opt.lr=0.5,1", "hydra/launcher=freeze", "hydra.sweep.dir=wrong")
    assert done.code == 2
    assert "steps: " in done.err
    assert "steps=x opt.lr=0.5; steps=x opt.lr=1" in done.err
    assert not find_job_files(app.folder / "wrong")
    done = app.run("-m", "steps=1,2", "hydra/launcher=freeze", "hydra.sweep.dir=wrong", "hydra.sweep.subdir=same")
    assert done.code == 2
    assert "hydra.sweep.subdir=same" in done.err
    assert not find_job_files(app.folder / "wrong")


LOADED = """
import atexit, sys
atexit.register(lambda: print("LOADED", *{name.partition(".")[0] for name in sys.modules}))
"""


def test_a_sweep_over_another_one_writes_nothing(app: App) -> None:
    frozen_once = ("-m", "hydra/launcher=freeze", "hydra.sweep.dir=twice")
    assert app.run(*frozen_once, "steps=1").code == 0
    before = (app.folder / "twice/0/job.yaml").read_text()
    done = app.run(*frozen_once, "steps=2,3")
    assert done.code == 2
    assert "another job is frozen there" in done.err
    assert (app.folder / "twice/0/job.yaml").read_text() == before
    assert not (app.folder / "twice/1").exists()
    assert app.run(*frozen_once, "steps=1,4").code == 0, "what is the same stays, what is new is added"
    assert (app.folder / "twice/0/job.yaml").read_text() == before
    assert (app.folder / "twice/1/job.yaml").exists()


def test_freezing_imports_nothing_heavy(tmp_path: Path) -> None:
    app = App(tmp_path, script=LOADED + SCRIPT)
    done = app.run("-m", "steps=1,2", "hydra/launcher=freeze", "hydra.sweep.dir=jobs", interpreter=True)
    assert done.code == 0, done.err
    loaded = set(done.out.partition("LOADED ")[2].split())
    assert "hydra" in loaded
    assert loaded.isdisjoint({"nemo_run", "nemo", "torch", "fiddle", "rich"})


def test_freezing_from_a_snapshot_alone(tmp_path: Path) -> None:
    app = App(tmp_path)
    made = subprocess.run(
        [sys.executable, "-m", "nemo_partial_hydra.cli", "snapshot", "conf/config.yaml", "conf/opt/sgd.yaml",
         "conf/opt/adam.yaml", "--out", "conf/signatures.json", "--allow", "shop"],
        cwd=tmp_path, env=app.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    app.run("-m", "opt=sgd,adam", "hydra/launcher=freeze", "hydra.sweep.dir=with")
    (tmp_path / "shop.py").rename(tmp_path / "shop.txt")
    script = app.write(
        "app.py", (tmp_path / "app.py").read_text().replace("config_name=", "allow=['shop'], config_name=")
    )
    done = app.run("-m", "opt=sgd,adam", "hydra/launcher=freeze", "hydra.sweep.dir=without", script=script.name)
    assert done.code == 0, done.err
    hashes = [[read_head(paths).hash for paths in find_jobs(tmp_path / name)] for name in ("with", "without")]
    assert hashes[0] == hashes[1]
    wrong = app.run("-m", "opt.lr=x", "hydra/launcher=freeze", "hydra.sweep.dir=wrong")
    assert wrong.code == 2
    assert "opt.lr" in wrong.err


def test_find_jobs_by_number_wherever_they_are(weird_tmp_path: Path) -> None:
    for number in (0, 2, 10, 1):
        frozen(weird_tmp_path / "numbered" / str(number), recipe("add", a=number), num=number)
        frozen(weird_tmp_path / "nested" / f"lr={number}" / "x", recipe("add", a=number), num=number)
    sweep_paths(weird_tmp_path / "numbered").submission(1).directory.mkdir(parents=True)
    assert [paths.directory.name for paths in find_jobs(weird_tmp_path / "numbered")] == ["0", "1", "2", "10"]
    assert [read_head(paths).num for paths in find_jobs(weird_tmp_path / "nested")] == [0, 1, 2, 10]
    assert [paths.directory for paths in find_jobs(weird_tmp_path / "numbered/2")] == [weird_tmp_path / "numbered/2"]
    for wrong in (weird_tmp_path / "none", weird_tmp_path):
        with pytest.raises(nph.JobError):
            find_jobs(wrong / "nothing")


KEYS = st.one_of(st.text(max_size=5), st.integers(-3, 3), st.booleans())
DATA = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=12,
)


@settings(max_examples=laws.tries(200))
@given(data=DATA, overrides=st.lists(st.text(max_size=20), max_size=3))
def test_any_job_is_read_back_as_it_was_written(data: Any, overrides: list[str]) -> None:
    recipe_ = {"_target_": "a.b", "x": data}
    job = Job(recipe_hash(recipe_), recipe=recipe_, overrides=tuple(overrides))
    from nemo_partial_hydra.dialect.yaml import load

    again = load(job_text(job))
    assert recipe_hash(again["recipe"]) == job.hash
    assert again["overrides"] == overrides
    assert repr(again["recipe"]) == repr(recipe_)


@given(a=DATA, b=DATA)
def test_different_recipes_have_different_hashes(a: Any, b: Any) -> None:
    same = repr(_ordered(a)) == repr(_ordered(b))
    assert (recipe_hash({"_target_": "t", "x": a}) == recipe_hash({"_target_": "t", "x": b})) is same


def _ordered(data: Any) -> Any:
    if isinstance(data, dict):
        return "dict", sorted(((repr(key), _ordered(value)) for key, value in data.items()), key=lambda pair: pair[0])
    return [_ordered(value) for value in data] if isinstance(data, list) else data


@pytest.mark.parametrize(
    ("text", "state", "words"),
    [
        ('{"state": "running", "attempt": 2', "lost", "damaged or half-written"),
        ("", "lost", "damaged or half-written"),
        ("[]", "lost", "no JSON object"),
        ('{"state": "paused", "attempt": 3, "format": 9}', "lost", "'paused'"),
        ('{"state": "done", "attempt": 3, "format": 9, "new": {"x": 1}, "pid": "text"}', "done", None),
    ],
)
def test_a_status_that_is_not_ours(weird_tmp_path: Path, text: str, state: str, words: str | None) -> None:
    paths = frozen(weird_tmp_path / "0", recipe("add", a=1))
    assert read_status(paths) == Status()
    paths.status.write_text(text)
    status = read_status(paths)
    assert status.state == state
    assert words is None or words in str(status.reason)
    assert status.pid is None


def test_a_status_is_read_as_it_was_written_and_an_older_attempt_is_silent(weird_tmp_path: Path) -> None:
    paths = frozen(weird_tmp_path / "0", recipe("add", a=1))
    status = Status("failed", 2, slurm={"job": "1", "task": 3}, error={"type": "E", "message": "m", "where": []})
    assert write_status(paths, status)
    assert read_status(paths) == status
    assert not write_status(paths, Status("done", 1))
    assert read_status(paths) == status


def test_an_image_and_a_commit_are_recorded(app: App, tmp_path: Path) -> None:
    image = tmp_path / "image.sif"
    image.write_bytes(b"image")
    job = nph.freeze(app.compose(), tmp_path / "a", allow=["shop"], image=image)
    digest = "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"
    assert job.image == {"path": str(image), "sha256": digest}
    with pytest.raises(nph.JobError, match="cannot be read"):
        nph.freeze(app.compose(), tmp_path / "b", allow=["shop"], image=tmp_path / "no.sif")

    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], cwd=tmp_path, check=True, stdout=-3
        )

    from nemo_partial_hydra.jobs.metadata import git_of

    git("init", "-q")
    git("add", "image.sif")
    git("commit", "-qm", "m")
    clean = git_of(str(tmp_path))
    assert clean is not None
    assert clean["dirty"] is False
    assert re.fullmatch("[0-9a-f]{40}", clean["commit"])
    image.write_bytes(b"changed")
    git_of.cache_clear()
    again = git_of(str(tmp_path))
    assert again is not None
    assert again["dirty"] is True


def test_job_yaml_is_what_docs_show(app: App, tmp_path: Path) -> None:
    freeze(app, tmp_path / "a", "opt=adam")
    text = (tmp_path / "a/job.yaml").read_text()
    head, _, body = text.partition("\nrecipe:\n")
    keys = [line.partition(":")[0] for line in head.splitlines() if re.match(r"[a-z]", line)]
    assert keys == "format dialect num name subdir hash created user app overrides git image packages".split()
    assert body.startswith("  _target_: shop.train\n  _partial_: true\n")
    assert "momentum" not in body, "what nobody set is not written"

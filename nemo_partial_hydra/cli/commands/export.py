"""``nemo-hydra export MODULE... --out DIR``: recipe factories as a library of config groups.

With ``--launcher`` the modules are imported in an image, on the cluster or on this machine, instead of here.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from nemo_partial_hydra.messages import say

from . import Commands

if TYPE_CHECKING:
    from nemo_partial_hydra.export.library import Exported


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "export",
        help="write the recipe factories of a module as a library of config groups",
        description="Imports the modules, calls every recipe factory in them and writes one YAML file a recipe, in "
        "config groups, with the signatures of all targets beside them. Run it where NeMo is; use the library where "
        "it is not: --library DIR, hydra.searchpath, or in a package with an entry point.",
    )
    parser.add_argument("modules", nargs="+", metavar="MODULE", help="dotted name; of a package, all modules inside it")
    parser.add_argument("--out", "-o", metavar="DIR", help="the directory (default: the module's last name)")
    parser.add_argument(
        "--with",
        dest="given",
        action="append",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of all factories that take it: num_nodes=4; of those that need it: dir?=/runs; of one: "
        "finetune_recipe.dir=/runs. dir=??? leaves it to the recipe's user, recipe=@pretrain_recipe takes what another "
        "factory gives",
    )
    parser.add_argument(
        "--keep-arguments",
        action="store_true",
        help="have recipes refer to the arguments of their factories that are passed through as they are, so that "
        "recipe._factory_.num_nodes=4 sets them; the others are fixed, and each file says why. Factories are called "
        "several times",
    )
    parser.add_argument("--skip", action="append", default=[], metavar="MODULE", help="do not import this one inside")
    parser.add_argument(
        "--also", action="append", default=[], metavar="NAME", help="keep the signatures of this target or module too"
    )
    parser.add_argument("--name", metavar="NAME", help="what the library is called (default: the first module)")
    parser.add_argument(
        "--launcher",
        metavar="NAME",
        help="import the modules in an image instead: submitit_apptainer (a SLURM job) or submitit_apptainer_local; "
        "its settings as hydra.launcher.*=... among the modules",
    )
    parser.add_argument("--image", metavar="IMG", help="the image, where the launcher's settings do not name it")
    parser.add_argument(
        "--trust-code",
        action="append",
        default=[],
        metavar="DIR",
        help="import modules from DIR, whoever may write there",
    )
    parser.add_argument("--force", action="store_true", help="overwrite recipe files that were edited by hand")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Export and say what came of it; exit code 1 if some factory or module gave nothing."""
    from nemo_partial_hydra.errors import ExitCode, UsageError
    from nemo_partial_hydra.export import publish

    words = [*options.modules, *(text for texts in options.given for text in texts)]
    settings = [text for text in words if text.lstrip("+~").startswith(("hydra.", "hydra/"))]
    modules = [text for text in options.modules if text not in settings]
    given = [text for texts in options.given for text in texts if text not in settings]
    if not modules:
        raise UsageError("name a module to export")
    out = options.out or modules[0].rpartition(".")[2]
    publish.check(out)
    if options.launcher is not None:
        exported = _in_image(options, modules, given, settings, out)
    elif settings or options.image is not None:
        raise UsageError(f"{(settings or ['--image'])[0]}: only with --launcher")
    else:
        exported = _here(options, modules, given)
    for name, reason in exported.manifest.left_out.items():
        say(f"left out: {name}: {reason}", file=sys.stderr)
    for path, notes in exported.notes.items():
        for note in notes:
            say(f"note: {path}: {note}", file=sys.stderr)
    made = publish.write(exported, out, force=options.force)
    groups: dict[str, int] = {}
    for path in made.recipes:
        groups[path.rpartition("/")[0] or "."] = groups.get(path.rpartition("/")[0] or ".", 0) + 1
    for group, count in sorted(groups.items()):
        say(f"  {group + '/':<40} {count}")
    left = f", {len(made.left_out)} left out" if made.left_out else ""
    say(f"{out}: {len(made.recipes)} recipes{left}{f'; read from {made.version}' if made.version else ''}")
    return ExitCode.FAILED if made.left_out or not made.recipes else ExitCode.DONE


def _here(options: argparse.Namespace, modules: list[str], given: list[str]) -> Exported:
    """Export in this process."""
    from nemo_partial_hydra.cli.progress import Progress
    from nemo_partial_hydra.export.library import export
    from nemo_partial_hydra.export.own_code import use_here

    use_here(modules, options.trust_code)
    with Progress() as progress:
        return export(
            modules, given=given, skip=options.skip, also=options.also, name=options.name,
            keep_arguments=options.keep_arguments, progress=progress,
        )  # fmt: skip


def _in_image(
    options: argparse.Namespace, modules: list[str], given: list[str], settings: list[str], out: str
) -> Exported:
    """Export in a job."""
    from nemo_partial_hydra.launchers.export_job import Asked, export_in_image

    asked = Asked(
        modules, given, options.skip, options.also, options.name, options.launcher, options.image, settings,
        options.trust_code, options.keep_arguments,
    )  # fmt: skip
    return export_in_image(asked, out)

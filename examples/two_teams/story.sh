#!/usr/bin/env bash
# Team A writes recipes, team B runs them: the whole story, from a Python module to results.
# Run it in a copy of this directory on a cluster's login node:  IMAGE=/path/to/image.sif bash story.sh
# The image needs Python and PyYAML; the login node this package, and apptainer on PATH.
set -uo pipefail
: "${IMAGE:?the image that has what the recipes import}"
settings=(hydra/launcher=submitit_apptainer "hydra.launcher.apptainer.image=$IMAGE" hydra.launcher.timeout_min=2
  hydra.launcher.signal_delay_s=10)

say() { printf '\n# %s\n' "$*"; }
# Shows a command, runs it, and shows its exit code if that is not 0.
try() {
  local shown="$*" code=0
  printf '$ %s\n' "${shown//${settings[*]}/SETTINGS}"
  "$@" 2>&1 || code=$?
  ((code == 0)) || printf '(exit code %s)\n' "$code"
}

say "Team A: the recipes become a library. Their module is imported in the image, in a SLURM job."
try nemo-hydra export recipes --out library --launcher submitit_apptainer --image "$IMAGE" "${settings[@]:2}"

say "Team A: a sweep becomes a directory of jobs. Nothing runs, nothing of the recipes is imported."
try python train.py --library library -m corpus=news,books lr=0.2 \
  hydra/launcher=freeze hydra.sweep.dir=jobs

say "Team B, a week later: what is in it, and how do the jobs differ?"
try sed -n '/^recipe:/,/^signatures:/p' jobs/0/job.yaml
try nemo-hydra diff jobs/0 jobs/1 --allow recipes

say "Team B: first what would happen, then for real. One of the two files is not there yet."
try nemo-hydra submit jobs "${settings[@]}" --dry-run --allow recipes | grep -v '^#\|^$\|^set\|^export\|^srun\|^ln'
mkdir -p data
echo "all the news that fits" > data/news.txt
try nemo-hydra submit jobs "${settings[@]}" hydra.launcher.detach=false --allow recipes

say "Team B: one has failed, and why. The file is brought, and only that job is tried again."
try nemo-hydra status jobs
echo "call me Ishmael" > data/books.txt
try nemo-hydra retry jobs hydra.launcher.detach=false --allow recipes
try nemo-hydra status jobs
try cat jobs/0/result.json jobs/1/result.json

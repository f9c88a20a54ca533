#!/bin/sh
# What the team runs for every change, where NeMo is. It fails if the library in version control is not that of the code.
set -eu
cd "$(dirname "$0")"
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

nemo-hydra export finch --out "$new/library"
if ! diff -rq finch/library "$new/library"; then
  echo "finch/library differs from the code: nemo-hydra export finch --out finch/library, and commit what it writes" >&2
  exit 1
fi
nemo-hydra check finch/library --allow finch
python -m pytest -q

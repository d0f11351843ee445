#!/usr/bin/env bash
# Install the built wheels, then the built sdists, into empty environments, and use them there without access to the
# repository's code. `make dist` calls this script.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
for kind in whl tar.gz; do
    scripts/environment.sh "$scratch/$kind" "${PYTHON:-python3}" -c requirements/constraints.txt dist/*."$kind"
    mkdir "$scratch/empty-$kind"
    (cd "$scratch/empty-$kind" && "$scratch/$kind/bin/python" -I - <"$OLDPWD/scripts/smoke.py")
done

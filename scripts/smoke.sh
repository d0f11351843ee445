#!/usr/bin/env bash
# Install what was built into empty environments, wheels and then sdists, and use it there, with the repository out of
# sight:    scripts/smoke.sh        called by `make dist`
set -euo pipefail
cd "$(dirname "$0")/.."
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
for kind in whl tar.gz; do
    scripts/environment.sh "$scratch/$kind" "${PYTHON:-python3}" -c requirements/constraints.txt dist/*."$kind"
    mkdir "$scratch/empty-$kind"
    (cd "$scratch/empty-$kind" && "$scratch/$kind/bin/python" -I - <"$OLDPWD/scripts/smoke.py")
done

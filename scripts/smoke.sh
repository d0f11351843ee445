#!/usr/bin/env bash
# Install what was built into empty environments, wheels and then sdists, and use it there, with the repository out of
# sight:    scripts/smoke.sh        called by `make dist`
set -euo pipefail
cd "$(dirname "$0")/.."
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
for kind in whl tar.gz; do
    "${PYTHON:-python3}" -m venv "$scratch/$kind"
    cp dist/*."$kind" "$scratch/$kind/"
    "$scratch/$kind/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt "$scratch/$kind"/*."$kind"
    "$scratch/$kind/bin/python" -m pip check
    mkdir "$scratch/empty-$kind"
    (cd "$scratch/empty-$kind" && "$scratch/$kind/bin/python" -I - <"$OLDPWD/scripts/smoke.py")
done

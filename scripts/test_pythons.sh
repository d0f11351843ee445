#!/usr/bin/env bash
# Run the ordinary test suite on each supported Python that this machine has, with the built wheels installed:
#     scripts/test_pythons.sh [--slow] [VERSION ...]        called by `make test-pythons` and `make test-pythons-slow`
# With --slow it is the ends of processes, short processes and forks instead, at their full counts.
# An interpreter is looked for on PATH and among pyenv's. One that is not there fails.
set -uo pipefail
cd "$(dirname "$0")/.."

find_python() {  # prints the path of a Python of version $1 that runs; fails where there is none
    local candidate
    for candidate in "$(command -v "python$1")" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$1" ]; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

install() {  # an environment for version $1 made by the interpreter $2
    local pip=(".venvs/py$1/bin/python" -m pip install --quiet --disable-pip-version-check)
    "$2" -m venv ".venvs/py$1" &&
        "${pip[@]}" -c constraints.txt "$(echo dist/mem0_telemetry-*.whl)[otlp,instruments]" \
            dist/opentelemetry_exporter_posthog-*.whl -r requirements-dev.txt &&
        "${pip[@]}" --no-deps --force-reinstall dist/*.whl
}

summary=()
failed=0
tests=(-n 3 -m "not slow and not backends")
if [ "${1:-}" = --slow ]; then
    shift
    tests=(tests/delivery/test_exit.py tests/delivery/test_processes.py tests/e2e/test_fork.py tests/e2e/test_one_shot.py
        -m "not backends" -k "exit or fork or one_shot")
fi
[ $# -gt 0 ] || set -- 3.10 3.11 3.12 3.13
for version in "$@"; do
    if ! python=$(find_python "$version"); then
        summary+=("$version  NOT FOUND")
        failed=1
        continue
    fi
    echo "=== Python $version"
    if install "$version" "$python" && ".venvs/py$version/bin/python" -m pytest "${tests[@]}"; then
        summary+=("$version  passed")
    else
        summary+=("$version  FAILED")
        failed=1
    fi
done
printf '%s\n' "=== summary" "${summary[@]}"
exit "$failed"

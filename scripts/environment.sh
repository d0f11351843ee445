#!/usr/bin/env bash
# Create or update the environment DIRECTORY with the interpreter PYTHON; pass each ARGUMENT to `uv pip install`:
#     scripts/environment.sh DIRECTORY PYTHON [ARGUMENT ...]
# PYTHON is a command, or a version (3.12) to find on PATH or among pyenv's; the script fails if it is not found.
# The script installs uv from the package index into `.venvs/uv`. uv uses pip's certificates and package index.
set -euo pipefail
cd "$(dirname "$0")/.."
directory="$1" wanted="$2"
shift 2

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

find_python() {
    local candidate
    case "$wanted" in [0-9]*) ;; *) command -v "$wanted" && return ;; esac
    for candidate in "$(command -v "python$wanted")" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$wanted".*/bin/python; do
        [ "$(version_of "$candidate")" != "$wanted" ] || { echo "$candidate" && return; }
    done
    echo "Python $wanted is not found, on PATH or in ${PYENV_ROOT:-$HOME/.pyenv}" >&2
    return 1
}

python="$(find_python)"
uv=.venvs/uv/bin/uv
if ! cmp -s requirements/uv.txt .venvs/uv/installed.txt; then
    echo "Installing uv, which installs the rest: some seconds."
    "$python" -m venv --clear .venvs/uv
    .venvs/uv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/uv.txt
    cp requirements/uv.txt .venvs/uv/installed.txt
fi
export UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
[ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"
[ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX="$PIP_INDEX_URL"
echo "Installing packages into $directory: half a minute, the first time."
[ -x "$directory/bin/python" ] || "$uv" venv --quiet --no-config --python "$python" "$directory"
"$uv" pip install --quiet --no-config --python "$directory/bin/python" "$@"
"$uv" pip check --quiet --no-config --python "$directory/bin/python"

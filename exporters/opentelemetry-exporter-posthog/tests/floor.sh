#!/usr/bin/env bash
# Run this distribution's tests with the oldest releases that its pyproject.toml admits, in an environment of its own.
# Usage: tests/floor.sh [python]        (run from anywhere; the environment is .venvs/exporter-floor in the repository)
set -euo pipefail
distribution="$(cd "$(dirname "$0")/.." && pwd)"
environment="$distribution/../../.venvs/exporter-floor"
"${1:-python3}" -m venv --clear "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
  -c <(grep --extended-regexp "^(pytest|hypothesis)==" "$distribution/../../constraints.txt") \
  "$distribution" "opentelemetry-sdk==1.39.*" "opentelemetry-distro==0.60b1" "posthog==7.14.0" pytest hypothesis
"$environment/bin/python" -m pip list --format=freeze | grep --extended-regexp '^(opentelemetry|posthog|requests|urllib3)'
cd "$distribution"
"$environment/bin/python" -m pytest --quiet --import-mode=importlib -W error tests

#!/usr/bin/env bash
# Run this distribution's tests with the oldest releases that its pyproject.toml admits, in an environment of its own.
# Usage: tests/floor.sh [python]        (run from anywhere; the environment is .venvs/exporter-floor in the repository)
set -euo pipefail
distribution="$(cd "$(dirname "$0")/.." && pwd)"
cd "$distribution/../.."
scripts/environment.sh .venvs/exporter-floor "${1:-python3}" \
  -c <(grep --extended-regexp "^(pytest|pytest-xdist|hypothesis)==" requirements/constraints.txt) \
  --reinstall-package opentelemetry-exporter-posthog "$distribution" \
  "opentelemetry-sdk==1.39.*" "opentelemetry-distro==0.60b1" "posthog==7.14.0" pytest pytest-xdist hypothesis
.venvs/exporter-floor/bin/python -m pytest --quiet -n 4 -c /dev/null --rootdir "$distribution" --import-mode=importlib \
  -W error -W "ignore::pytest.PytestUnknownMarkWarning" "$distribution/tests"

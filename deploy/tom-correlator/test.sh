#!/usr/bin/env bash
# The tests of the plug-in, in an environment of their own: TOM Toolkit wants older versions of some
# packages than the correlator has. Needs the correlator's environment (make .venv/.runtime), whose
# command is run as a process; CORRELATOR_COMMAND names another one. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")"

bin=.venv/bin
pip="$bin/python -m pip --disable-pip-version-check --quiet"
made=.venv/.made
if [ ! -e "$made" ] || [ pyproject.toml -nt "$made" ] || [ constraints.txt -nt "$made" ]; then
  rm -rf .venv
  "${PYTHON:-python3}" -m venv .venv
  $pip install --constraint constraints.txt pip
  $pip install --constraint constraints.txt ".[stream]" --group test
  touch "$made"
fi
# As whoever installs it has it, its templates included.
$pip install --no-deps --force-reinstall .
exec "$bin/pytest" "$@"

#!/usr/bin/env bash
# Puts Haechi into a virtual environment, from the folder that this file lies in and nothing else.
# usage: ./install.sh TARGET    (TARGET: a new folder, such as /srv/haechi/program; PYTHON=… names another Python 3.11)
set -euo pipefail
target=${1:?"usage: $0 TARGET"}
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-/usr/bin/python3.11}

sha256sum --check --quiet SHA256SUMS
"$python" -m venv "$target"
pip() { "$target/bin/python" -m pip --quiet --disable-pip-version-check "$@" </dev/null; }
pip install --no-index --find-links wheels --require-hashes --only-binary :all: -r runtime.txt
pip install --no-index --no-deps wheels/haechi-*.whl
install -m 0755 opa "$target/bin/opa"
"$target/bin/haechi" policy check
echo "Next: sudo $target/bin/haechi install --from FOLDER  (docs/installation.md)"

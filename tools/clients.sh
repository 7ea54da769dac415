#!/usr/bin/env bash
# Runs the matrix of clients, and writes docs/clients.md and docs/clients.ko.md of what was seen; what failed leaves its row as
# it was, and fails this. PYTEST adds arguments. Run through `make clients`.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
seen=$(mktemp -d)
trap 'rm -rf "$seen"' EXIT
# shellcheck disable=SC2086 # PYTEST is a list of words
HAECHI_CLIENTS=$seen python -m pytest -rs tests/e2e/matrix ${PYTEST:-} </dev/null
status=$?
python -m tools.client_pages "$seen" || exit
exit $status

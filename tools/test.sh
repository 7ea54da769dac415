#!/usr/bin/env bash
# All tests: the unit tests side by side, then those that own ports, processes or namespaces one by one.
# Every phase runs even when an earlier one failed; pytest's closing line comes last. PYTEST adds arguments. Run through `make test`.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
export PATH="$venv/bin:$tools/bin:$PATH"

status=0
phase() { # title, pytest arguments…
    say "$1"; shift
    # shellcheck disable=SC2086 # PYTEST is a list of words
    python -m pytest "$@" ${PYTEST:-} </dev/null
    local code=$?
    # 5: the phase has no tests (a selection by PYTEST, or none written yet): its line said so, and it is no failure.
    if [ $code -ne 0 ] && [ $code -ne 5 ]; then status=$code; fi
}
phase "unit tests" -n auto -m 'not e2e and not root'
phase "end-to-end tests" -m 'e2e and not root'
phase "tests that need root" -m root
exit $status

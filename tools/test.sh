#!/usr/bin/env bash
# All tests: the unit tests side by side, then those that own ports, processes or namespaces one by one.
# Every phase runs even when an earlier one failed, and names what it skipped; pytest's closing line comes last. PYTEST adds
# arguments. Run through `make test`.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
export PATH="$venv/bin:$tools/bin:$PATH"

status=0
phase() { # title, pytest arguments…
    say "$1"; shift
    # shellcheck disable=SC2086 # PYTEST is a list of words
    python -m pytest -rs "$@" ${PYTEST:-} </dev/null
    local code=$?
    # 5: the phase has no tests, which is no failure where PYTEST selected some.
    if [ $code -eq 5 ] && [ -n "${PYTEST:-}" ]; then code=0; fi
    if [ $code -ne 0 ]; then status=$code; fi
}
phase "unit tests" -n auto -m 'not e2e and not root'
phase "end-to-end tests" -m 'e2e and not root'
phase "tests that need root" -m root
exit $status

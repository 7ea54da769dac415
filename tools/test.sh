#!/usr/bin/env bash
# All tests: the unit tests, one worker a core; then those that drive real agents, whole files side by side, and beside them
# those that need root, one by one in namespaces of their own: both wait more than they compute. Last those that hold the
# agent to a time, with nothing beside them.
# Every phase runs even when an earlier one failed, and names what it skipped; pytest's closing line comes last. PYTEST adds
# arguments. Run through `make test`.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
export PATH="$venv/bin:$tools/bin:$PATH"
# What carries those markers lies in two folders (a test sees to it): no process imports the others' modules for nothing.
others=$(find tests -mindepth 1 -maxdepth 1 -type d ! -name e2e ! -name root -printf '--ignore=%p ')
# Test modules are compiled (and their assertions rewritten) once, not by each of the processes below.
unset PYTHONDONTWRITEBYTECODE

status=0
judge() { # exit code of a phase
    local code=$1
    # 5: the phase has no tests, which is no failure where PYTEST selected some.
    if [ "$code" -eq 5 ] && [ -n "${PYTEST:-}" ]; then code=0; fi
    if [ "$code" -ne 0 ]; then status=$code; fi
}
tests() { # pytest arguments…
    # shellcheck disable=SC2086 # PYTEST is a list of words
    python -m pytest -rs "$@" ${PYTEST:-} </dev/null
}

# Clients that the end-to-end tests drive are installed meanwhile: a test must not wait for one.
python -m tests.lab.aside </dev/null &
aside=$!
say "unit tests"
tests -n auto -m 'not e2e and not root' --ignore=tests/e2e --ignore=tests/root
judge $?

wait "$aside" || die "a client of the tests could not be installed (the reason is above)." "A network error: set PIP_INDEX_URL or HTTPS_PROXY."

as_root=$(mktemp)
# shellcheck disable=SC2086 # a list of words
tests -m 'root and not alone' -p no:cacheprovider $others >"$as_root" 2>&1 &
rooted=$!
trap '[ -z "$rooted" ] || kill "$rooted" 2>/dev/null; rm -f "$as_root"' EXIT
say "end-to-end tests (and beside them those that need root, told below)"
# In the order of names: files of few tests, which xdist would leave to the end, are the longest (the demo, the first week).
# shellcheck disable=SC2086 # a list of words
tests -n "${E2E_WORKERS:-2}" --dist loadfile --no-loadscope-reorder -m 'e2e and not root and not alone' $others
judge $?

wait "$rooted"
code=$?
rooted=
say "tests that need root"
cat "$as_root"
judge $code

say "tests that hold the agent to a time"
# shellcheck disable=SC2086 # a list of words
tests -m alone $others
judge $?
exit $status

#!/usr/bin/env bash
# Every static check, all of them even after the first failure; fails when any did. Run through `make lint`.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
export PATH="$venv/bin:$tools/bin:$PATH"

failed=()
check() { # title, command…
    local title=$1; shift
    say "$title"
    "$@" || failed+=("$title")
}
check "ruff: rules" ruff check --quiet .
check "ruff: form" ruff format --quiet --check .
check "mypy --strict" mypy
check "import directions" lint-imports --no-logo
check "words: Korean and English beside each other" python tools/words.py
if compgen -G 'policies/**/*.rego' >/dev/null || [ -n "$(find policies -name '*.rego' -print -quit)" ]; then
    check "policies: opa check" opa check --strict policies
    check "policies: opa fmt" opa fmt --fail --list policies
    check "policies: regal" regal lint --config-file .regal/config.yaml policies
fi
check "scripts: syntax" bash -c 'for script in tools/*.sh .ci/run; do bash -n "$script" || exit 1; done'
if command -v shellcheck >/dev/null 2>&1; then check "scripts: shellcheck" shellcheck -x -P tools tools/*.sh .ci/run; fi
if [ ${#failed[@]} -gt 0 ]; then
    printf 'lint: %s failed\n' "$(IFS=,; echo "${failed[*]}")" >&2
    exit 1
fi
say "lint: all clean"

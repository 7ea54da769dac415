#!/usr/bin/env bash
# Re-locks requirements/*.txt from pyproject.toml: every version pinned, every hash written, no download address.
# The only step that uses uv; `make lock UPGRADE=1` takes the newest versions that pyproject.toml allows.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    [ -x "$tools/uv/bin/uv" ] || {
        say "installing uv into .tools/uv"
        "$("$root/tools/python.sh")" -m venv "$tools/uv"
        "$tools/uv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
            -r requirements/uv.txt
    }
    uv=$tools/uv/bin/uv
fi
compile() { # output, further arguments
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links ${UPGRADE:+--upgrade} "${@:2}" -o "$1"
}
say "locking requirements/runtime.txt"
compile requirements/runtime.txt pyproject.toml
say "locking requirements/dev.txt"
compile requirements/dev.txt pyproject.toml --extra dev -c requirements/runtime.txt
for programs in requirements/clients/*.in; do # each stands in an environment of its own: tests/lab/aside.py
    say "locking ${programs%.in}.txt"
    compile "${programs%.in}.txt" "$programs"
done
printf 'uv\n' | compile requirements/uv.txt -
if grep -nE '://|^--|@ ' requirements/*.txt requirements/clients/*.txt; then die "a lock carries an address or an option (above)."; fi

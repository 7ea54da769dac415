#!/usr/bin/env bash
# Makes .venv and puts the locked dependencies in it, by hash, wheels only. Does nothing where the stamp is current.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"

python=$("$root/tools/python.sh")
lock=requirements/dev.txt
stamp=$venv/.stamp-deps
wanted=$("$python" -c 'import sys; print(sys.version)' | tr '\n' ' ')$(sha256sum <"$lock")
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && [ -x "$venv/bin/python" ]; then exit 0; fi

say "making .venv with $python ($("$python" -V)), then installing $(grep -c '==' "$lock") locked packages (1–3 minutes the first time)"
if [ -x "$venv/bin/python" ] && [ "$("$venv/bin/python" -c 'import sys; print(sys.version)' 2>/dev/null)" = "$("$python" -c 'import sys; print(sys.version)')" ]; then
    rm -f "$stamp"
else
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
# --only-binary: a source build would run code that the wheel's hash does not cover, and needs compilers nobody named.
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --require-hashes --only-binary :all: -r "$lock" </dev/null; then
    die "the locked packages could not be installed (the reason is above)." \
        "This machine: $(uname -m), $(getconf GNU_LIBC_VERSION), $("$python" -V), tags $("$venv/bin/python" -m pip debug 2>/dev/null | grep -m 1 manylinux || echo unknown)." \
        "'No matching distribution' means: no wheel for this architecture, glibc or Python. Choose another Python: make deps PYTHON=/usr/bin/python3.11" \
        "A network error: set PIP_INDEX_URL (a mirror) or HTTPS_PROXY, and try again."
fi
printf '%s' "$wanted" >"$stamp"

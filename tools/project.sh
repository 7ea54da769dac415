#!/usr/bin/env bash
# Installs this project itself, editable, into .venv with the locked setuptools; compiles its C extension when its source changed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"

stamp=$venv/.stamp-project
sources=$(find agent connectors -name '*.c' -o -name '*.h' | sort; for f in pyproject.toml setup.py; do [ ! -f "$f" ] || echo "$f"; done)
# shellcheck disable=SC2086 # a list of paths without spaces
wanted=$(cat "$venv/.stamp-deps" $sources | sha256sum)$root
# Where there is C, there must be something compiled for this very Python.
suffix=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
compiled() { [ ! -f setup.py ] || find agent connectors -name '*.so' | grep -qE "(${suffix//./\\.}|\.abi3\.so)\$"; }
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && compiled; then exit 0; fi

say "installing the project itself, editable"
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-index \
        --no-deps --no-build-isolation -e . </dev/null; then
    die "the project could not be installed (the reason is above)." "Where it is a compiler's: the packages gcc, libc6-dev, libxxhash-dev and python3-dev are needed (make deps names them)."
fi
compiled || die "the C extension was not built: no *$suffix under agent/ or connectors/."
printf '%s' "$wanted" >"$stamp"

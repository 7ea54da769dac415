#!/usr/bin/env bash
# Prints the Python to build .venv with: $PYTHON, else the first that fits. Says what is wrong with those that do not.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Why not newer than 3.14: the locked wheels (blake3, pyrage, grpcio…) are published up to it.
verdict() {
    "$1" - 2>/dev/null <<'PY' || echo "does not run"
import sys, sysconfig, pathlib, importlib.util
faults = []
if not (3, 11) <= sys.version_info[:2] <= (3, 14):
    faults.append("is %d.%d; 3.11 to 3.14 are supported" % sys.version_info[:2])
elif sys.maxsize < 2**32:
    faults.append("is a 32-bit build")
elif sysconfig.get_config_var("Py_GIL_DISABLED"):
    faults.append("is a free-threaded build, for which no wheels are locked")
else:
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        faults.append("lacks venv (package python%d.%d-venv)" % sys.version_info[:2])
    if not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists():
        faults.append("lacks its headers (package python%d.%d-dev)" % sys.version_info[:2])
print("; ".join(faults) or "fits")
PY
}

candidates=(python3 python3.13 python3.12 python3.11 python3.14)
if [ -n "${PYTHON:-}" ]; then candidates=("$PYTHON"); fi
faults=()
for candidate in "${candidates[@]}"; do
    path=$(command -v "$candidate" 2>/dev/null) || {
        [ -z "${PYTHON:-}" ] || faults+=("$candidate (PYTHON) is no program")
        continue
    }
    found=$(verdict "$path")
    if [ "$found" = fits ]; then
        # A shim or a link may point elsewhere tomorrow; the interpreter itself does not.
        "$path" -c 'import sys; print(sys.executable)'
        exit 0
    fi
    faults+=("$path $found")
done
die "no Python here fits: 3.11 to 3.14 with venv and headers is needed." "${faults[@]}" \
    "Install one (sudo apt-get install python3 python3-venv python3-dev), or choose: make deps PYTHON=/path/to/python3.12"

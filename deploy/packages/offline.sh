#!/usr/bin/env bash
# Makes a folder from which Haechi is installed on machines without a network: every wheel, pinned by hash, and install.sh.
# usage: deploy/packages/offline.sh FOLDER    after `make deps`, on a machine like the targets (architecture, Python 3.11)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib.sh"

folder=${1:?"usage: $0 FOLDER"}
python=$venv/bin/python
[ -x "$python" ] || die "There is no $python." "Run make deps first."
if [ -e "$folder" ] && [ -n "$(ls -A "$folder")" ]; then die "$folder is not empty." "Name a new folder."; fi
mkdir -p "$folder/wheels"
folder=$(cd "$folder" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say "building Haechi's own wheel"
# From a copy: what an earlier build left in the tree would get into the wheel.
(cd "$root" && tar -cf - --exclude='*.so' --exclude=__pycache__ --exclude='*.egg-info' \
    agent connectors policies pyproject.toml setup.py README.md LICENSE) | tar -xf - -C "$scratch"
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index \
    --wheel-dir "$folder/wheels" "$scratch"

say "fetching the $(grep -c '==' "$root/requirements/runtime.txt") libraries of requirements/runtime.txt, by hash"
"$python" -m pip download --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
    --dest "$folder/wheels" -r "$root/requirements/runtime.txt" </dev/null
[ -x "$tools/bin/opa" ] || die "There is no $tools/bin/opa." "Run make deps first."
cp "$root/requirements/runtime.txt" "$root/deploy/packages/install.sh" "$tools/bin/opa" "$folder/"
(cd "$folder" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)

say "done: $folder ($(du -sh "$folder" | cut -f1))"
note "Carry it to the machine, and this number by another way: $(sha256sum "$folder/SHA256SUMS" | cut -c1-64)"

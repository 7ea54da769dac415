#!/usr/bin/env bash
# Installs the pinned Node tools of the tests below .tools/node, each only where its lock or Node changed. npm checks the sums.
# Without Node there are none, and the tests that need them say so.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
command -v npm >/dev/null 2>&1 || { note "no npm: the tests that need its tools are left out"; exit 0; }
export npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false

install() { # name
    local from=$root/tools/node/$1 to=$tools/node/$1 wanted
    wanted=$(node --version)$(cat "$from/package.json" "$from/package-lock.json" | sha256sum)
    if [ -f "$to/.stamp" ] && [ "$(cat "$to/.stamp")" = "$wanted" ]; then return; fi
    say "installing $1 (a minute or two the first time)"
    rm -rf "$to"
    mkdir -p "$to"
    cp "$from/package.json" "$from/package-lock.json" "$to/"
    (cd "$to" && npm ci --silent --omit=dev --omit=optional --ignore-scripts </dev/null) ||
        die "$1 could not be installed (the reason is above)." "A network error: set npm_config_registry (a mirror) or HTTPS_PROXY."
    printf '%s' "$wanted" >"$to/.stamp"
}
for name in azurite aws-sdk chromium azure-storage-blob azcopy; do install "$name"; done
# npm keeps no right to execute where scripts are not run. It stands beside the other tools, where a person would have it.
azcopy=$tools/node/azcopy/node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64
chmod 0755 "$azcopy"
mkdir -p "$tools/bin"
ln -sfn "$azcopy" "$tools/bin/azcopy"

#!/usr/bin/env bash
# Builds the pinned Go tools into .tools/bin, each only where its pin or Go changed. Sums are checked by Go against go.sum.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
bin=$tools/bin
mkdir -p "$bin"
export CGO_ENABLED=0 GOFLAGS="-mod=readonly -trimpath -buildvcs=false" GOTOOLCHAIN="${GOTOOLCHAIN:-auto}"

build() { # name, package
    local folder=$root/tools/go/$1 stamp=$bin/.stamp-$1 wanted
    wanted=$(cd / && go env GOVERSION)$(cat "$folder/go.mod" "$folder/go.sum" | sha256sum)
    if [ -x "$bin/$1" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then return; fi
    say "building $1 ($(awk -v p="${2%/cmd/*}" '$1 == p {print $2; exit}' "$folder/go.mod"); a minute or two the first time)"
    rm -f "$stamp"
    if ! (cd "$folder" && go build -ldflags="-s -w" -o "$bin/$1.new" "$2" </dev/null); then
        die "$1 could not be built (the reason is above)." \
            "A network error: set GOPROXY (a mirror) or HTTPS_PROXY, and try again. A checksum mismatch: do not go on; somebody changed a module."
    fi
    mv "$bin/$1.new" "$bin/$1"
    printf '%s' "$wanted" >"$stamp"
}
build opa github.com/open-policy-agent/opa
build regal github.com/open-policy-agent/regal
build versitygw github.com/versity/versitygw/cmd/versitygw
build fake-gcs-server github.com/fsouza/fake-gcs-server

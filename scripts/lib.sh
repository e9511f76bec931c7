# shellcheck shell=bash
# What the scripts share: messages, the list of Debian packages, and the removal of namespaces.
# Sourced, never run. Owns no state beyond `viaduct_root`; never touches an interface, a
# process or a namespace that a script here did not make.

set -euo pipefail

viaduct_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Debian packages: what the build needs, what the tests and the demo need.
build_packages=(build-essential pkg-config clang libclang-dev dpdk libdpdk-dev)
network_packages=(iproute2 iputils-ping iputils-arping util-linux procps nginx-light curl
    bind9-dnsutils ethtool socat python3 shellcheck)

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

require_root() {
    [[ $(id -u) -eq 0 ]] ||
        die "must run as root: it $1. Try: sudo -E $0"
}

have_package() {
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Prints the packages of the arguments that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        have_package "$package" || printf '%s\n' "$package"
    done
}

# bindgen loads libclang at run time and needs to be told which when there are several LLVMs.
export_libclang_path() {
    [[ -z ${LIBCLANG_PATH:-} ]] || return 0
    local newest
    newest=$(find /usr/lib/llvm-*/lib -maxdepth 1 -name 'libclang.so*' -printf '%h\n' 2>/dev/null |
        sort -Vu | tail -n 1)
    [[ -z $newest ]] || export LIBCLANG_PATH=$newest
}

# The bed of every name that this run gives to a namespace; see `sweep`.
namespace_prefix() {
    printf 'vd-%s-' "$1"
}

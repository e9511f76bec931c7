# shellcheck shell=bash
# What the scripts share: messages, the list of Debian packages, and commands that can be
# interrupted. Sourced, never run. Never touches an interface, a process or a namespace that
# a script here did not make.

set -euo pipefail

viaduct_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export viaduct_root

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

require_root() {
    [[ $(id -u) -eq 0 ]] || die "must run as root: it $1. Try: sudo -E $0"
}

# A Python with what the packet suite's tools need; scripts/setup makes it.
packet_python=$viaduct_root/target/packets/venv/bin/python3
export packet_python

# Debian packages: what the build needs, then what the tests and the demo need.
required_packages() {
    printf '%s\n' build-essential pkg-config clang libclang-dev dpdk libdpdk-dev
    printf '%s\n' iproute2 iputils-ping iputils-arping util-linux procps nginx-light curl \
        bind9-dnsutils dnsmasq-base ethtool iperf3 python3 python3-venv shellcheck
}

# bindgen loads libclang at run time and has to be told which when there are several LLVMs.
export_libclang_path() {
    [[ -z ${LIBCLANG_PATH:-} ]] || return 0
    local newest
    newest=$(find /usr/lib/llvm-*/lib -maxdepth 1 -name 'libclang.so*' -printf '%h\n' 2>/dev/null |
        sort -Vu | tail -n 1) || return 0
    [[ -z $newest ]] || export LIBCLANG_PATH=$newest
}

# Runs a command in a session of its own and waits for it in a way that a signal's trap can
# interrupt; `end_attended` in that trap ends the command with everything that it started.
attended=
attend() {
    local status=0
    setsid "$@" &
    attended=$!
    wait "$attended" || status=$?
    attended=
    return "$status"
}

end_attended() {
    [[ -n $attended ]] || return 0
    kill -TERM -- "-$attended" 2>/dev/null || true
    wait "$attended" 2>/dev/null || true
    attended=
}

# Interrupts end the script, and so run its EXIT trap.
exit_on_signals() {
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

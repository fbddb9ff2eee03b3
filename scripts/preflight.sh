#!/bin/sh
# Checks what pip cannot install; installs it where that is possible, else says what to type.
# usage: preflight.sh PYTHON
set -eu

python=$1

fail() {
    printf 'kelvin: %s\n' "$*" >&2
    exit 2
}

apt_install() { # PACKAGE, what it is for
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing $1 ($2)"
        apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null ||
            fail "could not install $1 ($2); type: apt-get install $1"
    else
        fail "$1 is missing ($2); type: sudo apt-get install $1"
    fi
}

[ "$(uname -s)" = Linux ] || fail "the sandbox needs Linux (namespaces, seccomp), this is $(uname -s)"
command -v "$python" >/dev/null || fail "no $python; install Python 3.11 to 3.13, or give PYTHON=/path/to/python"
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
    fail "expected Python 3.11 to 3.13, $python is $("$python" -V 2>&1); give PYTHON=/path/to/python"
"$python" -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv "python's venv module"
find /lib /usr/lib /lib64 /usr/lib64 -name 'libseccomp.so.2' 2>/dev/null | grep -q . ||
    apt_install libseccomp2 "the system call filter of the sandbox"

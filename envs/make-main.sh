#!/bin/sh
# Make the main environment (CPython 3.11) in folder $1 from the lock files. pip takes no file whose SHA-256 they do not
# have, and no package that they do not name.
#
#   PYTHON       the interpreter to use, python3.11 by default
#   TORCH_INDEX  an index to take torch from, such as PyTorch's own for CPU or one CUDA version: torch and what it brings
#                along are then not compared with the hashes of PyPI's builds, which differ. So it is where pip's own
#                configuration names a folder of wheels (find-links).
#
# The folder's file .torch-index keeps TORCH_INDEX, with which the Makefile compares what it is asked for.
set -eu
. "$(dirname "$0")/new-venv.sh"

folder=$1
lock=$(dirname "$0")/requirements.lock

new_venv_311 "$folder"
echo "${TORCH_INDEX:-}" >"$folder/.torch-index" # at once, so that one that was interrupted is made again with the same
install() {
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

elsewhere=${TORCH_INDEX:-$("$folder/bin/python" -m pip config list | grep find-links || true)}
if [ -z "$elsewhere" ]; then
    say "its $(grep -c '^[A-Za-z].*==' "$lock") packages, torch with CUDA's libraries among them: several GB ..."
    install --require-hashes --no-deps --requirement "$lock" --requirement "$(dirname "$0")/torch.lock"
else
    say "its $(grep -c '^[A-Za-z].*==' "$lock") packages other than torch: half a GB ..."
    sed '/^torch==/,/[^\\]$/d' "$lock" | install --require-hashes --no-deps --requirement /dev/stdin
    torch=$(sed -n 's/^\(torch==[^ ;]*\).*/\1/p' "$lock")
    say "$torch: 0.2 GB for CPUs, several GB for GPUs ..."
    install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$torch" # what it needs is there by now, but for CUDA's libraries
fi
say "compiling them to bytecode ..."
"$folder/bin/python" -m compileall -q -j 0 "$folder/lib" >/dev/null 2>&1 || true # the first run then starts as fast as the second

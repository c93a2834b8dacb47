#!/bin/sh
# Make Bergamot's environment (CPython 3.10) in folder $1 from the lock file. The interpreter is looked for on the
# PATH, in pyenv, uv and conda; failing that, uv fetches one.
#
#   BERGAMOT_PYTHON  the interpreter to use, where none is found or another is wanted
set -eu
. "$(dirname "$0")/new-venv.sh"

folder=$1
main=$2 # the main environment's python, which may bring uv
lock=$(dirname "$0")/requirements.lock

refuse_link "$folder"

is_310() {
    [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = 3.10 ]
}

candidates() {
    [ -z "${BERGAMOT_PYTHON:-}" ] || echo "$BERGAMOT_PYTHON"
    command -v python3.10 || true
    if command -v pyenv >/dev/null; then ls -d "$(pyenv root)"/versions/3.10.*/bin/python3.10 2>/dev/null || true; fi
    if command -v uv >/dev/null; then uv python find 3.10 2>/dev/null || true; fi
    if command -v conda >/dev/null; then
        conda env list 2>/dev/null | sed -n 's|.* \(/[^ ]*\)$|\1/bin/python3.10|p'
    fi
}

find_310() {
    candidates | while read -r python; do
        if is_310 "$python"; then
            echo "$python"
            break
        fi
    done
}

python=$(find_310)
if [ -z "$python" ]; then
    uv=$(command -v uv || echo "$main -m uv")
    $uv python install --quiet 3.10 2>/dev/null && python=$($uv python find 3.10 2>/dev/null) || true
fi
if [ -z "$python" ]; then
    echo "error: Bergamot needs CPython 3.10 and none was found or could be fetched; install it (apt, pyenv install 3.10," \
        "uv python install 3.10, conda create -n py310 python=3.10) or name it: make BERGAMOT_PYTHON=/path/to/python3.10" >&2
    exit 1
fi

"$python" -m venv --clear "$folder"
# The engine's driver loads the extension module alone; bergamot's own dependencies are for its command line.
sed -n -e '/^bergamot==/,/[^\\]$/p' -e '/^tqdm==/,/[^\\]$/p' "$lock" |
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement /dev/stdin

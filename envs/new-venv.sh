# Read by the scripts that make environments.

# What is being done, on a terminal or in a log.
say() {
    echo "  $*" >&2
}

# A link's folder belongs to somebody else, and making an environment empties it.
refuse_link() {
    if [ -L "${1%/}" ]; then
        echo "error: $1 is a symbolic link; remove the link, and an environment is made in its place" >&2
        exit 1
    fi
}

# Make an empty environment of CPython 3.11 in folder $1, with the interpreter PYTHON, python3.11 by default.
new_venv_311() {
    refuse_link "$1"
    python=${PYTHON:-python3.11}
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || version=
    if [ "$version" != 3.11 ]; then
        what=${version:+is version $version}
        echo "error: Python 3.11 is needed and '$python' ${what:-does not start}; install it (apt, pyenv, uv python install 3.11)" \
            "or name it: make PYTHON=/path/to/python3.11" >&2
        exit 1
    fi
    "$python" -m venv --clear "$1"
}

#!/usr/bin/env bash
# Make a virtual environment and install pinned requirements and this project into it.
# Usage: tools/venv.sh VENV REQUIREMENTS
# PYTHON names the interpreter; otherwise the first of python3, python3.13, 3.12, 3.11 that is new enough.
set -euo pipefail
venv=$1
requirements=$2

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if fits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "make: no Python 3.11, 3.12 or 3.13 found as ${PYTHON:-python3}; install one, or name it: make PYTHON=/path/to/python" >&2
    return 1
}

make_venv() {
    "$1" -m venv "$venv" 2>/dev/null && return
    # Debian splits venv off Python
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
        "$1" -m venv --clear "$venv" && return
    fi
    echo "make: $1 -m venv $venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2
    return 1
}

install() {
    if command -v uv >/dev/null; then
        UV_COMPILE_BYTECODE=1 uv pip install --quiet --python "$venv/bin/python" "$@"
    else
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    fi
}

if [ ! -x "$venv/bin/python" ] || ! fits "$venv/bin/python"; then
    make_venv "$(find_python)"
fi
# what is pinned is complete
install --require-hashes --no-deps -r "$requirements"
install --no-deps --no-build-isolation -e .
# an editable install copies the collection besides, which would hide the checkout's
rm -rf "$venv"/lib/python3*/site-packages/ansible_collections/brandconnect

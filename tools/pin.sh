#!/usr/bin/env bash
# Pin every dependency with hashes, for Python 3.11 to 3.13 and every platform at once. Needs uv.
set -euo pipefail
cd "$(dirname "$0")/.."

pin() {
    local name=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
        --no-annotate --output-file "requirements/$name.txt" pyproject.toml "$@"
}

pin runtime
pin lab --extra lab --group build
pin dev --extra lab --group build --group dev

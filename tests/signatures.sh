#!/usr/bin/env bash
# Is frontend/onnx_signatures.def what the schemas of the onnx wheel say?
# usage: signatures.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."
if "$1" scripts/signatures.py | diff - frontend/onnx_signatures.def; then
    echo "1 passed, 0 failed, 0 skipped"
else
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi

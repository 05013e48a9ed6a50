#!/usr/bin/env bash
# Fails if clang-format would change a tracked source file. To mend: clang-format -i FILE.
set -euo pipefail
cd "$(dirname "$0")/../.."
git ls-files -z '*.h' '*.cc' | xargs -0 clang-format --dry-run -Werror

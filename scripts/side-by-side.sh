#!/usr/bin/env bash
# side-by-side.sh TARGET...: makes the targets at the same time. At the end, it repeats the last lines of those that
# failed, which are hard to find among the lines of the others.
set -euo pipefail

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Without this folder, two cargos that start together both create it, and one can replace the other's while it is in use.
mkdir -p target

declare -A runs
for target in "$@"; do
    (make --no-print-directory "$target" 2>&1 | tee "$logs/$target") &
    runs[$target]=$!
done

failed=()
for target in "$@"; do
    wait "${runs[$target]}" || failed+=("$target")
done

for target in "${failed[@]}"; do
    printf '\n%s failed. Its last lines:\n' "$target"
    tail --lines 100 "$logs/$target"
done
[ ${#failed[@]} -eq 0 ]

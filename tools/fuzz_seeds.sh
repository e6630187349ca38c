#!/usr/bin/env bash
# Keeps, of all inputs that fuzzing has found, the smallest that reach everything the others reach.
set -euo pipefail

ROOT=$(dirname "$(dirname "$(realpath "$0")")")
BUILT="$ROOT/target/fuzz/none"
# what a larger input reaches is left to the runs
LONGEST=1024

cd "$ROOT"
cargo +nightly fuzz build --fuzz-dir fuzz -s none --target-dir "$BUILT"
for seeds in fuzz/seeds/*; do
    target=$(basename "$seeds")
    kept=$(mktemp -d)
    mkdir -p "fuzz/corpus/$target"
    "$BUILT"/*/release/"$target" -set_cover_merge=1 -use_counters=0 -max_len="$LONGEST" "$kept" "$seeds" "fuzz/corpus/$target" 2>/dev/null
    rm -r "$seeds"
    mv "$kept" "$seeds"
    chmod 755 "$seeds"
    echo "$target: $(find "$seeds" -type f | wc -l) seeds, $(du -sb "$seeds" | cut -f1) bytes"
done

#!/usr/bin/env bash
# Encrypts a real directory in a room of its own, verifies it, decrypts it and compares the two.
# Only public commands are used. Everything is left under build/demo for a look.
set -euo pipefail
cd "$(dirname "$0")/.."

demo=$PWD/build/demo
rm -rf "$demo"
mkdir -p "$demo"

source=$(rustc --print sysroot 2>/dev/null || true)/share/doc
if [ ! -d "$source" ]; then
    source=$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
fi

# The passphrase is random, made for this demo, and read by the commands from its file.
export STRONGROOM_HOME=$demo/room STRONGROOM_PASSPHRASE_FILE=$demo/passphrase
(umask 077 && head -c 24 /dev/urandom | base64 >"$STRONGROOM_PASSPHRASE_FILE")

step() {
    printf '\n$ %s\n' "$*"
    local start=$EPOCHREALTIME
    "$@"
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "  (%.1f s)\n", b - a }'
}

echo "A room in $STRONGROOM_HOME, and $(find "$source" | wc -l) entries, $(du -sh "$source" | cut -f1), from $source"
step strongroom init --passphrase-file "$STRONGROOM_PASSPHRASE_FILE" --recovery-file "$demo/recovery"
step strongroom encrypt "$source" "$demo/encrypted" --context demo=yes --reason "make demo"
step strongroom verify "$demo/encrypted" --reason "make demo"
step strongroom decrypt "$demo/encrypted" "$demo/decrypted" --context demo=yes --reason "make demo"
step diff -r --no-dereference "$source" "$demo/decrypted"
printf '\nThe decrypted directory is the same as the source, byte for byte.\n'

#!/bin/sh
# Print what is sent to an id, a JSON object a line, and miss nothing: ./subscribe.sh ID.
# A connection that ends is made again, from the offset of the last line that came.
set -u
offset=$(mktemp) || exit 1
trap 'rm -f "$offset"' EXIT
while :; do
    curl -sSN "${ZFRONT:-http://127.0.0.1:8000}/stream/$1?since=$(cat "$offset")" | while read -r line; do
        [ -n "$line" ] || continue # keeps the connection alive
        case $line in *'"offset":"'*) printf '%s\n' "$line" | sed 's/.*"offset":"\([^"]*\)".*/\1/' >"$offset" ;; esac
        printf '%s\n' "$line"
    done
    sleep 1
done

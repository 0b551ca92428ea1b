#!/bin/sh
# Publish from a shell: ./publish.sh ID MESSAGE. Prints the receipt.
# A URL's special characters in ID (a space, %, ?, #, /) have to be percent-encoded.
set -eu
: "${2?usage: publish.sh ID MESSAGE}"
exec curl -sS --fail-with-body --data-binary "$2" "${ZFRONT:-http://127.0.0.1:8000}/api/send/$1"

#!/bin/sh
# Let one id follow another, then publish to everybody who follows that: ./follow.sh SUBSCRIBER SUBSCRIBEE MESSAGE.
# Prints whether the follow is new, and the receipt. Special characters in the ids have to be percent-encoded.
set -eu
: "${3?usage: follow.sh SUBSCRIBER SUBSCRIBEE MESSAGE}"
api=${ZFRONT:-http://127.0.0.1:8000}/api
curl -sS --fail-with-body -X PUT "$api/follows/$1/$2"
exec curl -sS --fail-with-body --data-binary "$3" "$api/publish/$2"

#!/bin/sh
# Makes auth.token of auth.json as guacamole-manual:src/json-auth.md.j2 says: an
# HMAC-SHA256 in front, AES-128-CBC with an IV of zeros over both, base64.
key=4C0B569E4C96DF157EEE1B65DD0E4D41
cd "$(dirname "$0")" || exit 1
{ openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary auth.json; cat auth.json; } |
	openssl enc -aes-128-cbc -K $key -iv 00000000000000000000000000000000 -nosalt -a >auth.token

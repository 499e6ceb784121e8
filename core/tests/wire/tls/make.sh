#!/bin/bash
# make.sh: the certificates of tests/wire/network.rs, with openssl. Run once; the results are kept, because a test that
# makes keys depends on a tool. Valid for a hundred years; the private keys protect nothing.
set -euo pipefail
cd "$(dirname "$0")"
[ "${1:-}" != --help ] || { sed -n '2,3s/^# //p' "$0"; exit 0; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$1.pem" 2>/dev/null; }
# leaf NAME HOST: a certificate for HOST from the test authority, and its key
leaf() {
  key "$1"
  openssl req -new -key "$work/$1.pem" -subj "/CN=larder test" -out "$work/$1.csr"
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$2" >"$work/$1.ext"
  openssl x509 -req -in "$work/$1.csr" -CA "$work/ca.crt" -CAkey "$work/ca.pem" -days 36500 \
    -extfile "$work/$1.ext" -out "$work/$1.crt" 2>/dev/null
  openssl x509 -in "$work/$1.crt" -outform DER -out "$1.der"
  openssl pkcs8 -topk8 -nocrypt -in "$work/$1.pem" -outform DER -out "$1.key.der"
}
key ca
openssl req -x509 -new -key "$work/ca.pem" -subj "/CN=larder test authority" -days 36500 -out "$work/ca.crt" \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
openssl x509 -in "$work/ca.crt" -outform DER -out ca.der
leaf localhost DNS:localhost,IP:127.0.0.1
leaf other DNS:other.example

#!/usr/bin/env bash
# Makes certificates for development: an authority, a server's and a client's, valid for 90 days.
# Usage: make-dev-certs.sh FOLDER [NAME …]; the names and IP addresses the server is reached by, besides localhost,
# 127.0.0.1 and ::1. Never overwrites. Whoever has ca.key can pose as the server: for real use take a real authority.
set -euo pipefail
[ $# -ge 1 ] || { echo "Usage: make-dev-certs.sh FOLDER [NAME …]" >&2; exit 2; }
folder=$1
shift
files=(ca.key ca.pem server.key server.pem client.key client.pem)
mkdir -p "$folder"
for file in "${files[@]}"; do
  if [ -e "$folder/$file" ]; then
    echo "make-dev-certs.sh: $folder/$file is there already. Choose another folder or remove it." >&2
    exit 1
  fi
done

names=DNS:localhost,IP:127.0.0.1,IP:::1
for name in "$@"; do
  case "$name" in
    *:* | *[0-9].[0-9]*.[0-9]*.[0-9]*) names+=,IP:$name ;;
    *) names+=,DNS:$name ;;
  esac
done

umask 077
work=$(mktemp -d "$folder/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT
quietly() { "$@" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }; }
key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
quietly openssl req -x509 "${key[@]}" -keyout "$work/ca.key" -out "$work/ca.pem" -days 90 \
  -subj "/CN=Precis development authority" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
sign() { # NAME EXTENSIONS…
  local name=$1
  shift
  quietly openssl req "${key[@]}" -keyout "$work/$name.key" -out "$work/$name.csr" -subj "/CN=precis $name"
  printf '%s\n' "$@" basicConstraints=critical,CA:FALSE >"$work/$name.ext"
  quietly openssl x509 -req -in "$work/$name.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -days 90 \
    -set_serial "0x$(openssl rand -hex 8)" -extfile "$work/$name.ext" -out "$work/$name.pem"
}
sign server "subjectAltName=$names" extendedKeyUsage=serverAuth
sign client subjectAltName=DNS:precis-client extendedKeyUsage=clientAuth
chmod 644 "$work"/*.pem
for file in "${files[@]}"; do mv -n "$work/$file" "$folder/"; done
echo "Certificates are in $folder. For example:" >&2
echo "  precisd --data-dir DIR --listen 0.0.0.0:7070 --auth token --tls-cert $folder/server.pem --tls-key $folder/server.key" >&2
echo "  precis --tls-ca $folder/ca.pem --token-file DIR/admin.token list" >&2

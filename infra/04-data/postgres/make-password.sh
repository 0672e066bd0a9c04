#!/usr/bin/env bash
# Makes the password file named as argument if there is none. The owner of this checkout may read it, and
# PostgreSQL's group; nobody else. Runs as root in the PostgreSQL image.
set -euo pipefail
file=$1
if [[ ! -s $file ]]; then
  (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >"$file.partial")
  mv "$file.partial" "$file"
fi
folder=$(dirname "$file")
owner=$(stat -c %u "$0")
chown "$owner:postgres" "$folder" "$file"
chmod 0750 "$folder"
chmod 0640 "$file"

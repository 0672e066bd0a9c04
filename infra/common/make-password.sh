#!/usr/bin/env bash
# usage: make-password.sh FILE [USER]: makes a file with a random password, or USER:PASSWORD, if there is none.
# The owner of this checkout may read it, and the group of PostgreSQL's image (999), which every service that reads one
# is in; nobody else. Runs as root.
set -euo pipefail
file=$1
user=${2:+$2:}
group=999
if [[ ! -s $file ]]; then
  password=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n')
  (umask 077 && printf '%s%s' "$user" "$password" >"$file.partial")
  mv "$file.partial" "$file"
fi
folder=$(dirname "$file")
owner=$(stat -c %u "$0")
chown "$owner:$group" "$folder" "$file"
chmod 0750 "$folder"
chmod 0640 "$file"

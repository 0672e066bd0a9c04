#!/bin/sh
# Makes the configuration file named as argument, with a user and a random password, if there is none. The owner of
# this checkout may read it, and RabbitMQ's group; nobody else. Runs as root in the RabbitMQ image.
set -eu
file=$1
if [ ! -s "$file" ]; then
    password=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')
    (umask 077 && printf 'default_user = backbone\ndefault_pass = %s\n' "$password" > "$file.partial")
    mv "$file.partial" "$file"
fi
owner=$(stat -c %u "$0")
chown "$owner" "$(dirname "$file")"
chown "$owner:rabbitmq" "$file"
chmod 0640 "$file"

#!/usr/bin/env bash
# usage: make-certificates.sh FOLDER NAME[,HOST…]…: makes what FOLDER lacks of the secure profile's secrets: an authority,
# and for each holder NAME/keystore.pem (key, certificate, authority) and NAME/ca.pem. What ends within 30 days, is for
# other hosts or of another authority is made again; what is whole stays, whoever made it (the tasks make the same).
# The checkout's owner may read all of it; a holder's folder also the group 9093, which every service that shows a
# certificate is in, and PostgreSQL, which sees all secrets, is not. Runs as root.
set -euo pipefail
folder=$1
shift
group=9093
renew_s=$((30 * 24 * 3600))
owner=$(stat -c %u "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077

# What a certificate is for: the authority signs, a holder is server and client (RFC 5280, 4.2.1.3).
cat >"$work/openssl.cnf" <<'END'
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[holder]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
authorityKeyIdentifier = keyid
subjectAltName = ${ENV::NAMES}
END
export NAMES=DNS:none

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

# usage: sign EXTENSIONS DAYS COMMON_NAME OPTION…
sign() {
  openssl req -x509 -new -sha256 -config "$work/openssl.cnf" -extensions "$1" -days "$2" -subj "/CN=$3" "${@:4}"
}

# usage: alternatives HOST… : as openssl prints them, sorted
alternatives() {
  for host; do
    if [[ $host =~ ^[0-9.]+$ || $host == *:* ]]; then echo "IP Address:$host"; else echo "DNS:$host"; fi
  done | sort -u
}

# usage: will_do FILE HOST… : whether a holder's certificate can stay
will_do() {
  local said
  [[ -s $1 ]] && cmp -s "$folder/ca.pem" "$(dirname "$1")/ca.pem" &&
    openssl x509 -in "$1" -out "$work/one.pem" && openssl verify -CAfile "$folder/ca.pem" "$work/one.pem" >/dev/null &&
    openssl x509 -in "$1" -noout -checkend "$renew_s" >/dev/null || return 1
  said=$(openssl x509 -in "$1" -noout -ext subjectAltName | tail -n +2 | tr ',' '\n' | sed 's/^ *//')
  [[ $(sort -u <<<"$said") == "$(alternatives "${@:2}")" ]]
}

if [[ ! -e $folder/ca.key && ! -e $folder/ca.pem ]]; then
  key "$work/ca.key"
  sign authority 3650 "messaging-backbone $(openssl rand -hex 4)" -key "$work/ca.key" -out "$work/ca.pem"
  mv "$work/ca.key" "$work/ca.pem" "$folder"
fi
if [[ ! -s $folder/ca.key || ! -s $folder/ca.pem ]]; then
  echo "the authority in SECRETS_DIR/kafka cannot be used: put ca.pem and ca.key back; or move that folder away to have" \
    "a new one made, which every client has to trust anew" >&2
  exit 1
fi

for holder; do
  IFS=, read -r -a hosts <<<"$holder"
  name=${hosts[0]}
  own=$folder/$name
  if ! will_do "$own/keystore.pem" "${hosts[@]}" 2>/dev/null; then
    mkdir -p "$own"
    key "$work/key.pem"
    NAMES=$(alternatives "${hosts[@]}" | sed 's/^IP Address/IP/' | paste -s -d , -) \
      sign holder 90 "$name" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -key "$work/key.pem" -out "$work/one.pem"
    cat "$work/key.pem" "$work/one.pem" "$folder/ca.pem" >"$own/keystore.pem.partial"
    cp "$folder/ca.pem" "$own/ca.pem"
    mv "$own/keystore.pem.partial" "$own/keystore.pem"
    echo "made the certificate of $name"
  fi
  chown "$owner:$group" "$own" "$own"/*.pem
  chmod 0750 "$own"
  chmod 0640 "$own"/*.pem
done

mkdir -p "$folder/users"
chown "$owner" "$folder" "$folder/ca.key" "$folder/ca.pem" "$folder/users"
chmod 0644 "$folder/ca.pem"
chmod 0700 "$folder/users"

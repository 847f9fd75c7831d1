#!/bin/bash
# Makes each secret of the stack that does not exist yet, as a file of the process that reads it. The one-shot `secrets` of
# docker-compose.yml runs it each time the stack starts. A secret that .env sets is written instead of a random one, also later.
# Each folder is a volume of one process: nobody sees another's secrets.
set -euo pipefail
umask 077
# The user of Levqor's image (Dockerfile), and the one of PostgreSQL's.
levqor=65532 postgres=999

random() { head -c 32 /dev/urandom | base64 | tr -d '\n=' | tr '+/' '-_'; }

# write USER FILE TEXT
write() {
    local owner=$1 file=$2 value=$3
    # Whole or not at all: a new file takes the place of the old one.
    printf '%s' "$value" >"$file.new"
    chown "$owner" "$file.new"
    mv "$file.new" "$file"
}
kept() { cat "$1" 2>/dev/null || true; }

chmod 755 /made/postgres
password=$(kept /made/databases/postgres)
password=${password:-$(random)}
write 0 /made/databases/postgres "$password"
write $postgres /made/postgres/postgres "$password"

mesh_key=${LEVQOR_MESH_KEY:-$(kept /made/gateway/mesh_key)}
mesh_key=${mesh_key:-$(random)}
jwt_secret=${LEVQOR_JWT_SECRET:-$(kept /made/gateway/jwt_secret)}
jwt_secret=${jwt_secret:-$(random)}
for role in gateway "$@"; do
    chmod 755 "/made/$role"
    write $levqor "/made/$role/mesh_key" "$mesh_key"
    write $levqor "/made/$role/jwt_secret" "$jwt_secret"
done
for service; do
    # The owner of the tables migrates; the service itself may only read and write rows.
    for user in "${service}_owner" "$service"; do
        password=$(kept "/made/databases/$user")
        password=${password:-$(random)}
        write 0 "/made/databases/$user" "$password"
        write $levqor "/made/$service/${user/#$service/database_url}" "postgres://levqor_$user:$password@postgres:5432/levqor_$service"
    done
done

webhook_secret=${STRIPE_WEBHOOK_SECRET:-$(kept /made/billing/stripe_webhook_secret)}
write $levqor /made/billing/stripe_webhook_secret "${webhook_secret:-whsec_$(random)}"
address_key=${LEVQOR_ADDRESS_KEY:-$(kept /made/notifications/address_key)}
address_key=${address_key:-$(random)}
write $levqor /made/notifications/address_key "$address_key"
write $levqor /made/compliance/address_key "$address_key"
echo "the secrets are there: of the gateway, $*"

#!/bin/bash
# Makes the database and the two roles of each service that its arguments name, where they do not exist yet, and sets their
# passwords. The one-shot `databases` of docker-compose.yml runs it each time the stack starts. Run it with psql's own variables
# (PGHOST, PGUSER, …) for any other server. The passwords are read from files: $PASSWORDS/<service> and $PASSWORDS/<service>_owner.
#
# `levqor_<service>_owner` owns the database and its tables; only `levqor migrate` uses it. `levqor_<service>` serves: it may read
# and write rows, and nothing else. Neither sees another service's database.
set -euo pipefail

sql() { psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 "$@"; }

for service; do
    role=levqor_$service
    # psql quotes the values; a password is never on a command line or in a log.
    sql --dbname postgres <<SQL
\set role $role
\set owner ${role}_owner
\set role_password \`cat "$PASSWORDS/$service"\`
\set owner_password \`cat "$PASSWORDS/${service}_owner"\`
SET client_min_messages = warning;
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', name)
  FROM unnest(ARRAY[:'role', :'owner']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE :"role" PASSWORD :'role_password';
ALTER ROLE :"owner" PASSWORD :'owner_password';
-- Whoever makes a database for another role must be a member of it (PostgreSQL 16, without a superuser).
GRANT :"owner" TO CURRENT_USER;
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING ''UTF8''', :'role', :'owner')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'role') \gexec
REVOKE ALL ON DATABASE :"role" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"role" TO :"role";
SQL
    # The schema of the chassis exists before its first migration, so that rights on it can be given.
    sql --dbname "$role" <<SQL
\set role $role
\set owner ${role}_owner
SET client_min_messages = warning;
SET ROLE :"owner";
CREATE SCHEMA IF NOT EXISTS runtime;
RESET ROLE;
ALTER SCHEMA public OWNER TO :"owner";
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public, runtime TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, runtime TO :"role";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public, runtime TO :"role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" GRANT USAGE ON SEQUENCES TO :"role";
SQL
    echo "$role: the database and its roles are there"
done

#!/bin/sh
# Logs in to PostgreSQL and says nothing if that succeeds. Exit code 127: there is no client.
# $1: the connection without a password. Standard input: the password. It stays out of every argument list, and only root
# can read the environment of this process.
IFS= read -r PGPASSWORD
export PGPASSWORD
exec psql --no-psqlrc --no-password --quiet --command "" "$1"

#!/bin/bash
# Runs a program in the sandbox of the application, as its user: what it reads or writes in the application's own directories
# cannot be led elsewhere. Standard input is the program's.
#
# $1: the application's unit file, the rest: the program
set -euo pipefail
. ./unit_settings.sh
unit_path=$1
shift
in_sandbox "$unit_path" / -- "$@"

#!/bin/sh
# Prints the answer of a site's health page: verdict, status and redirect, with tabs between; nothing where curl is missing.
# $1: domain, $2: port of the site in nginx, $3: URL of the page
. ./answer.sh
command -v curl > /dev/null || exit 0
answer "$1" "$2" "$3"
printf '%s\t%s\t%s\n' "${verdict:?}" "${status?}" "${leads_to?}"

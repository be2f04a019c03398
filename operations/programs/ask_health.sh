#!/bin/sh
# Prints the answer of a site's health page: verdict, status, redirect and advice, with tabs between; nothing where curl is
# missing.
# $1: domain, $2: port of the site in nginx, $3: URL of the site, $4: path of the page
. ./answer.sh
command -v curl > /dev/null || exit 0
answer "$1" "$2" "$3$4"
printf '%s\t%s\t%s\t%s\n' "${verdict:?}" "${status?}" "${leads_to?}" "$(advice "$3" "$4")"

#!/bin/sh
# Prints each address of this machine, and whether the environment's own site answers there, another one, or nobody: `own`,
# `other` or `silent`. Nothing where curl is missing.
# $1: site, $2: domain, $3: port in nginx, $4: URL of the page that only the site has, $5: what the page says
. ./own_site.sh
! command -v curl > /dev/null || answers_at "$@"

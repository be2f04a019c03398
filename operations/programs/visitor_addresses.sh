#!/bin/sh
# Prints the addresses of this machine at which visitors or its own programs may ask for a site, one a line; nothing where
# iproute2 is missing.
. ./addresses.sh
visitor_addresses || true

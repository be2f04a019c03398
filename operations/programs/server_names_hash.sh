#!/bin/sh
# Prints the files that set the size of nginx's hash of server names.
#
# $1: our own file, which does not count
grep -lsE '^[^#]*server_names_hash_bucket_size' /etc/nginx/nginx.conf /etc/nginx/conf.d/*.conf /etc/nginx/sites-enabled/* |
    grep -vxF "$1"
true

#!/bin/sh
# Prints the user and group that nginx was built for, and the configuration that it loads, as `nginx -T` does: each file after a
# line with its path. Where nginx refuses one of the files, all that it may read: those with a server or an include, so that no
# key is among them. A file from Windows ends its lines with a carriage return, which is a space to nginx. Where nginx is
# not installed: nothing, or the layout of the package that apt would install. At most 4 MiB, without control characters.
if ! command -v nginx > /dev/null; then
    # The package that apt would install: Debian's brings its configuration in another one, nginx.org's has it itself.
    found=$(apt-cache show --no-all-versions nginx 2> /dev/null)
    case $found in
        '' | *nginx-common*) ;;
        *)
            echo '# configuration file /etc/nginx/nginx.conf:'
            printf '%s\n' 'user nginx;' 'http { include /etc/nginx/conf.d/*.conf; }'
            ;;
    esac
    exit 0
fi
{
    nginx -V 2>&1 | sed -n 's/.* --user=\([^ ]*\).* --group=\([^ ]*\).*/built for \1 \2/p'
    timeout 10 nginx -T 2> /dev/null || {
        echo /etc/nginx/nginx.conf
        find -L /etc/nginx -maxdepth 3 -type f ! -path /etc/nginx/nginx.conf \
            -exec grep -qsE '^([^#]*[;{[:space:]])?(server|include)[{[:space:]]' {} \; -print 2> /dev/null | sort
    } | while read -r file; do
        printf '# configuration file %s:\n' "$file"
        cat "$file" 2> /dev/null
        echo
    done
} | head -c 4194304 | tr '\015' ' ' | LC_ALL=C tr '\001-\010\013-\037\177-\377' '?' | tr -d '\000'

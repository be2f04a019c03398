#!/bin/sh
# Prints the configuration that nginx loads, as `nginx -T` does: each file after a line with its path. Where nginx refuses one of
# the files, those that it usually reads. A file from Windows ends its lines with a carriage return, which is a space to nginx. Where nginx is not installed: nothing, or the layout of the package that apt would install. At most 4 MiB, without control characters.
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
    timeout 10 nginx -T 2> /dev/null || for file in /etc/nginx/nginx.conf /etc/nginx/conf.d/*.conf /etc/nginx/sites-enabled/*; do
        [ ! -f "$file" ] || {
            printf '# configuration file %s:\n' "$file"
            cat "$file"
            echo
        }
    done
} | head -c 4194304 | tr '\015' ' ' | LC_ALL=C tr '\001-\010\013-\037\177-\377' '?' | tr -d '\000'

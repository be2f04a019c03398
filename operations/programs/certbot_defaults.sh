# shellcheck shell=sh
# Settings that certbot takes for every order and renewal of a host, in a file of somebody else.
#
#   certbot_defaults   prints those that would change a certificate of ours, in one line: settings, each with file and line in
#                      parentheses. certbot ignores a setting without effect, such as `staging = false`

certbot_defaults() {
    for defaults in /etc/letsencrypt/cli.ini /root/.config/letsencrypt/cli.ini; do
        [ ! -e "$defaults" ] || awk -v file="$defaults" '
            {
                sub(/^[ \t]*(--)?/, "")
                setting = tolower($0)
                sub(/[ \t=:].*/, "", setting)
                value = tolower(substr($0, length(setting) + 1))
                gsub(/[ \t=:"]/, "", value)
            }
            value ~ /^(false|no|off|0)$/ { next }
            setting ~ /^(a|authenticator|i|installer|configurator|apache|nginx|standalone|manual|webroot|w|webroot-path|webroot-map)$/ ||
            setting ~ /^(dns-.*|preferred-challenges|server|staging|test-cert|dry-run|d|domains?|cert-name|csr|account)$/ ||
            setting ~ /^(allow-subset-of-names|must-staple|no-autorenew|deploy-hook|renew-hook|config-dir|work-dir|logs-dir|(preferred|required)-profile)$/ {
                found = found sep setting " (" file ":" NR ")"
                sep = ", "
            }
            END {
                if (found) print found
            }' "$defaults"
    done
}

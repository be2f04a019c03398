# shellcheck shell=sh
# Sourced. What certbot wrote into its log since a moment.
#
#   begin_log    the moment is now
#   logged       prints what came since
#   refusal      prints the authority's last refusal in that
#   challenged   whether the authority asked for the proof of a name and did not get it: such failures count

log=/var/log/letsencrypt/letsencrypt.log

begin_log() { before=$(stat -c '%s %i' "$log" 2> /dev/null || echo "0 new"); }

# Debian's logrotate begins a new file.
logged() {
    [ "$(stat -c %i "$log" 2> /dev/null)" = "${before#* }" ] || before="0 new"
    tail -c "+$((${before% *} + 1))" "$log" 2> /dev/null
}

# certbot 2.1 fails over some of them, and shows its own error.
refusal() { logged | sed -n 's/^acme\.messages\.Error: //p' | tail -n 1; }

challenged() { logged | grep -q '^Challenge failed\|:Challenge failed'; }

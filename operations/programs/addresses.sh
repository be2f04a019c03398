# shellcheck shell=sh
# Names the addresses of this machine at which visitors or its own programs may ask for a site.
#
#   visitor_addresses   prints them, one a line: without those of networks that exist within the machine alone or in a tunnel.
#                       Fails where iproute2 is missing

visitor_addresses() {
    command -v ip > /dev/null || return 1
    echo 127.0.0.1
    ip -oneline address show scope global 2> /dev/null | awk '
        $2 !~ /^(docker|br-|virbr|veth|lxcbr|lxdbr|incusbr|cni|flannel|podman|wg|tun|tap|tailscale|zt)/ {
            sub("/.*", "", $4)
            print $4
        }' | sort -u
}

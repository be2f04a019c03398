#!/bin/sh
# Sourced. `closed PORT` succeeds if the kernel drops connections to a port that do not come over loopback: operations/ports.py.
closed() {
    nft get element inet deploy_ports ports "{ $1 }" && nft list chain inet deploy_ports input | grep -q '@ports .*drop$'
} > /dev/null 2>&1

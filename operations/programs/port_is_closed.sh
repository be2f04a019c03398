#!/bin/sh
# Prints "closed" if the kernel drops connections to a port that do not come over loopback.
# $1: port
. ./closed_port.sh
! closed "$1" || echo closed

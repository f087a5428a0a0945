#!/bin/sh
# First process of the engine's namespaces. It begins only once it is told to: by then its number is written down, so
# that whoever started it may be killed at any time and a later run still finds it.
set -eu
read -r begin
mount -t proc proc /proc
mount -t tmpfs tmpfs /run # sockets and locks go with the namespace
ip link set lo up         # and no other link: nothing that runs in here can reach beyond this machine
echo 1 >/proc/sys/net/ipv4/ip_forward
exec tini -s -- dockerd --config-file "$1"

#!/bin/sh
# Turns a Debian root file system with kind's files into that of a kind node. Runs with it as the root, offline.
set -eu
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
units=/lib/systemd/system

chmod 755 /kind /kind/bin /kind/bin/* /usr/local/bin/*
# A container has no hardware, console or login to care for; kind's entrypoint does what tmpfiles would.
rm -f $units/sysinit.target.wants/systemd-tmpfiles-setup.service
rm -f $units/multi-user.target.wants/* $units/basic.target.wants/* $units/local-fs.target.wants/* /etc/systemd/system/*.wants/*
rm -f $units/sockets.target.wants/*udev* $units/sockets.target.wants/*initctl*
echo "ReadKMsg=no" >>/etc/systemd/journald.conf
systemctl enable kubelet.service containerd.service undo-mount-hacks.service
systemctl mask systemd-binfmt.service
ln -sf /usr/lib/systemd/systemd /sbin/init

# kind's unit and entrypoint look for these where its own image has them.
for program in containerd ctr; do ln -sf /usr/bin/$program /usr/local/bin/$program; done
mkdir -p /etc/kubernetes/manifests /etc/cni/net.d /opt/cni/bin
cp /usr/lib/cni/* /opt/cni/bin/
ctr oci spec |
  jq 'del(.process.rlimits) | .hooks.createContainer += [{"path": "/kind/bin/mount-product-files.sh"}]' \
    >/etc/containerd/cri-base.json

# The images of the control plane go into containerd's store; they are unpacked where a node runs them.
printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' >/tmp/import.toml
containerd --config /tmp/import.toml &
daemon=$!
tries=0
until ctr version >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 600 ] || exit 1
  sleep 0.1
done
for archive in /kind/images/*.tar; do
  ctr --namespace=k8s.io images import --all-platforms --no-unpack "$archive"
done
ctr --namespace=k8s.io images ls --quiet
kill $daemon
wait $daemon || true
rm -rf /kind/images
umount /tmp /run /proc

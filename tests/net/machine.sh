#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# machine.sh BUILD: a machine of its own under the real systemd, in namespaces
# that whoever calls has made; see test_systemd.py. Nothing of the machine around
# it can be written: the root is a tmpfs, /usr is read-only, and so are /sys and
# the settings of the kernel. Units are those that are named here, for others
# would set up a machine: empty /tmp, for one.
set -eu

build=$1
new=/mnt
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs $new
cd $new
mkdir usr etc var var/log run tmp dev dev/net proc sys opt old
for link in bin sbin lib lib64; do
	[ -e /usr/$link ] && ln -s usr/$link $link
done
mount --bind /usr usr
mount -o remount,bind,ro usr

units=usr/lib/systemd/system
mount -t tmpfs -o mode=755 tmpfs $units
cat >etc/machine-id <<-END
	0123456789abcdef0123456789abcdef
END
cp /etc/passwd /etc/group /etc/nsswitch.conf /etc/hosts /etc/ld.so.cache etc/
echo 'ID=test' >etc/os-release
mkdir etc/miredo
[ ! -e /run/machine.conf ] || cp /run/machine.conf etc/miredo/miredo.conf
for target in sysinit basic network multi-user shutdown umount final; do
	printf '[Unit]\nDefaultDependencies=no\n' >$units/$target.target
done
printf '[Unit]\nRequires=basic.target\n' >$units/multi-user.target
cp "$build"/dist/*.service "$build"/dist/*.socket $units/
# The log, in memory, and nothing of the kernel.
for unit in systemd-journald.service systemd-journald.socket \
	systemd-journald-dev-log.socket; do
	cp /usr/lib/systemd/system/$unit $units/
done
mkdir etc/systemd
printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=\n' \
	>etc/systemd/journald.conf
echo 'Wants=systemd-journald.socket' >>$units/basic.target
mount -t tmpfs -o mode=755 tmpfs usr/lib/systemd/catalog
cp /run/miredo.catalog usr/lib/systemd/catalog/
for program in miredo miredo-exporter miredo-server miredoctl; do
	cp "$build/$program" opt/
done
sed -i "s,=/\S*/\(miredo\),=/opt/\1," $units/miredo*.service

mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/net dev/shm dev/mqueue dev/hugepages
ln -s pts/ptmx dev/ptmx
mknod -m 666 dev/tty c 5 0
for node in null:3 zero:5 full:7 random:8 urandom:9; do
	mknod -m 666 dev/${node%:*} c 1 ${node#*:}
done
mknod -m 600 dev/console c 5 1
mknod -m 666 dev/net/tun c 10 200
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
pivot_root . old
umount -l old
rmdir old
exec env -i container=test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd \
	--system --unit=multi-user.target --log-target=journal \
	--show-status=no

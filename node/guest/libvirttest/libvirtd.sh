# Runs libvirtd in $1, in mount, network and process namespaces made for it.
set -e
dir=$1
mount --make-rprivate /
for place in etc/libvirt var/lib/libvirt var/log/libvirt var/cache/libvirt run; do
	mkdir -p "/$place" "$dir/$place"
	mount --bind "$dir/$place" "/$place"
done
# A machine with both versions of control groups is too much for the container
# driver: the first is enough.
if [ -d /sys/fs/cgroup/unified ] && [ -d /sys/fs/cgroup/memory ]; then
	umount /sys/fs/cgroup/unified
fi
mkdir -p /run/libvirt
cp /etc/passwd "$dir/passwd"
cp /etc/group "$dir/group"
grep -q '^libvirt-qemu:' /etc/passwd || echo 'libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin' >>"$dir/passwd"
grep -q '^libvirt-qemu:' /etc/group || echo 'libvirt-qemu:x:64055:' >>"$dir/group"
grep -q '^kvm:' /etc/group || echo 'kvm:x:64056:' >>"$dir/group"
mount --bind "$dir/passwd" /etc/passwd
mount --bind "$dir/group" /etc/group
printf 'user="libvirt-qemu"\ngroup="libvirt-qemu"\nstdio_handler="file"\nremember_owner=0\n' >/etc/libvirt/qemu.conf
printf 'auth_unix_rw="none"\nauth_unix_ro="none"\nunix_sock_group="root"\n' >/etc/libvirt/libvirtd.conf
ip link set lo up
libvirtd &
wait

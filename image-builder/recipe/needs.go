package recipe

// needs are files that other parts of Cairn call by their path. An image
// without one of them is not finished, whatever was trimmed.
var needs = []Path{
	{"/usr/sbin/init", "the initramfs hands over to it"},
	{"/usr/sbin/mkfs.ext4", "the installer makes the data partition with it"},
	{"/usr/sbin/e2fsck", "the data partition is checked before it is mounted"},
	{"/usr/bin/systemctl", "units are managed with it"},
	{"/usr/sbin/nft", "packet filter"},
	{"/usr/sbin/sshd", "the network manager's way in"},
	{"/usr/sbin/chronyd", "time"},
	{"/usr/sbin/mariadbd", "controller"},
	{"/usr/bin/aria_chk", "repairs system tables after a crash"},
	{"/usr/share/factory/var/lib/mysql/mysql/global_priv.frm", "the empty database"},
	{"/usr/lib/rabbitmq/bin/rabbitmq-server", "controller"},
	{"/usr/lib/rabbitmq/bin/rabbitmqctl", "accounts of nodes"},
	{"/usr/bin/install", "copies the list of these accounts"},
	{"/usr/bin/cmp", "tells whether it changed meanwhile"},
	{"/usr/sbin/libvirtd", "compute"},
	{"/usr/lib/libvirt/libvirt_lxc", "containers"},
	{"/usr/lib/libvirt/virt-aa-helper", "makes the profiles of guests"},
	{"/etc/apparmor.d/libvirt/TEMPLATE.qemu", "what they begin with"},
	{"/etc/apparmor.d/libvirt/TEMPLATE.lxc", "as above, for containers"},
	{"/usr/sbin/apparmor_parser", "loads them"},
	{"/usr/bin/qemu-system-x86_64", "virtual machines"},
	{"/usr/bin/qemu-img", "images"},
	{"/usr/share/seabios/bios-256k.bin", "firmware of virtual machines"},
	{"/usr/lib/ipxe/undionly.kpxe", "machines with BIOS boot it"},
	{"/usr/lib/ipxe/ipxe.efi", "machines with UEFI boot it"},
}

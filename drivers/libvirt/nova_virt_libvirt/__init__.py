"""The libvirt driver of nova-virt-api: QEMU and KVM guests through libvirtd."""

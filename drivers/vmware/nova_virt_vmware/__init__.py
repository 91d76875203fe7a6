"""The VMware vSphere driver of nova-virt-api: virtual machines of one vCenter or ESXi host."""

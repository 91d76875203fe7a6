"""OpenStack Nova over any driver of nova-virt-api."""

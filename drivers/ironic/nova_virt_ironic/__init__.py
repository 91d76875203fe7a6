"""The Ironic driver of nova-virt-api: bare metal machines as guests."""

"""The command nova-virt-conformance: the kit on one endpoint, described by a file."""

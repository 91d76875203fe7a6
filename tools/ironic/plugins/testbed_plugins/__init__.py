"""What the test backend adds to its Ironic and Neutron: simulation of our own, for want of devices and a bus."""

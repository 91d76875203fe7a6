"""What the conformance kit is told of libvirt: eyes and hands on the daemon that go past the driver.

Needs the extra ``conformance`` of the distribution; nothing else of the driver imports this.
"""

from nova_virt_libvirt.rig.rig import LibvirtRig as LibvirtRig

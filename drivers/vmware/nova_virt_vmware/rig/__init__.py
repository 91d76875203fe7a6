"""What the conformance kit is told of vSphere: eyes and hands on its API that go past the driver.

Needs the extra ``conformance`` of the distribution; nothing else of the driver imports this.
"""

from nova_virt_vmware.rig.rig import VmwareRig as VmwareRig

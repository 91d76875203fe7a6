"""What the conformance kit is told of Ironic: eyes and hands on its API that go past the driver.

Needs the extra ``conformance`` of the distribution; nothing else of the driver imports this.
"""

from nova_virt_ironic.rig.rig import IronicRig as IronicRig

"""A simulated vCenter on this machine, for tests and for developers. `make vcsim` builds it into build/vcsim.

    with VCenter() as vcenter:
        connect("vmware", host=vcenter.host, port=vcenter.port, username=vcenter.user, password=vcenter.password,
                cafile=str(vcenter.ca_file))                # or: **vcenter.options

It is vcsim, the simulator of govmomi: a real SOAP server over TLS, whose inventory lives in its memory and whose guests
run nothing. Tasks run in the background, lists come in pages, and more is mended where vcsim differs from the vSphere
API reference: tools/vcsim/*.go says what. In a test of the driver, by the fixtures of
drivers/vmware/tests/backend/conftest.py:

    `vcenter`      one for the whole run: other tests' guests are in it
    `own_vcenter`  `own_vcenter(Settings(clusters=1, vms=100))`: another for this test alone

What a test can do to it: `expire_sessions()`, `with failing("PowerOnVM_Task", fault="TaskInProgress"):`,
`with holding("CloneVM_Task"):`, `progress()`, `set_tools()`; and see: `calls`, `sessions`. See vcenter.py.
`order("indexed paths", on=False)` takes the index out of property paths (config.extraConfig["key"]), and
`order("vanishing is fatal", on=True)` lets a page fail on which an object has vanished.
`order("distinct uuids", on=True)` gives a clone that is to have the `instanceUuid` of another one its own.
`with Relay(vcenter) as relay:` gives an address of its own that can be cut or stalled; see relay.py.
At a shell: `python -m tools.vcsim`.
"""

from tools.vcsim.installation import NotInstalledError
from tools.vcsim.relay import Relay
from tools.vcsim.settings import Settings, Template
from tools.vcsim.vcenter import Failure, StartError, Tools, VCenter

__all__ = ["Failure", "NotInstalledError", "Relay", "Settings", "StartError", "Template", "Tools", "VCenter"]

"""A real Ironic on this machine, for tests and for developers. `make ironic` installs it into build/ironic/venv.

In a test of the driver, by the fixtures of drivers/ironic/tests/conftest.py:

    def test_something(ironic: Ironic, enroll: Enroll) -> None:
        nodes = enroll(3, NodeSpec(resource_class="gold", traits=["CUSTOM_GPU"]))  # forgotten after the test
        connect("ironic", endpoint=ironic.endpoint)
        shown = ironic.api.get(f"/v1/nodes/{nodes[0].uuid}")  # Ironic's own API, newest microversion

    `ironic`          noauth, sqlite; one for the whole run, so use nodes and resource classes of your own
    `ironic_basic`    http_basic over TLS; `.credentials` has username, password, ca_file
    `ironic_keystone` with a real Keystone, over TLS: `.keystone.system_user("member")`, `.project_user()`, `.revoke()`
    `ironic_mariadb`  for races and load, where sqlite locks
    `ironic_neutron`  with a real Neutron: `.neutron.create_network()`, `.create_port()`, `.port()`, and `.vifs(node)`
    `redfish_ironic`  http_basic over TLS, and one real machine (QEMU) that is deployed over Redfish: see real_mode.py
    `own_ironic`      `own_ironic(Settings(split=True, database=Database.MARIADB, extra={"fake": {"deploy_delay": 2}}))`
                      starts one for this test alone, to be killed, restarted, or configured as nobody else wants it

Nodes do all at once, stay off and never fail, unless they are enrolled with a script, if only `Script()`:
`NodeSpec(script=Script(fail=["power"], wait=["deploy"], delay_s={"clean": 2}))`. `ironic.script(node, ...)` changes it
later, `ironic.proceed(node)` ends the waiting. Scripted nodes are on once they are deployed, and have virtual media and
an NMI button. With `fields={"automated_clean": True}` a node is cleaned when it was undeployed.

Anywhere else: `with Ironic(Settings(...)) as ironic:`. It has `endpoint`, `credentials`, `api`, `enroll()`, `forget()`,
`stop()`, `kill()`, `start()`, `restart()`, `conductor` and `server` (two services when split, else the same one), and
`directory` (logs, ironic.conf). At a shell: `python -m tools.ironic run --nodes 24`.
"""

from tools.ironic.api import Api, ApiError
from tools.ironic.credentials import Credentials
from tools.ironic.enrolment import EnrolledNode, NodeSpec
from tools.ironic.installation import NotInstalledError
from tools.ironic.keystone import ApplicationCredential, Keystone, KeystoneUser
from tools.ironic.neutron import Neutron, NeutronPort
from tools.ironic.processes import Service, StartError
from tools.ironic.script import Script
from tools.ironic.settings import Auth, Database, Network, Settings
from tools.ironic.testbed import Ironic

__all__ = [
    "Api",
    "ApiError",
    "ApplicationCredential",
    "Auth",
    "Credentials",
    "Database",
    "EnrolledNode",
    "Ironic",
    "Keystone",
    "KeystoneUser",
    "Network",
    "Neutron",
    "NeutronPort",
    "NodeSpec",
    "NotInstalledError",
    "Script",
    "Service",
    "Settings",
    "StartError",
]

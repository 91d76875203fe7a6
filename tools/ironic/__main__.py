"""Run an Ironic with fake hardware until Ctrl-C, and leave nothing.

python -m tools.ironic run [--nodes N] [--basic | --keystone] [--mariadb] [--neutron]
"""

import argparse
import signal
import sys

from tools.ironic import Auth, Database, Ironic, Network, NotInstalledError, Settings, StartError


def main() -> int:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tools.ironic", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    run = verbs.add_parser("run", help="start an Ironic, say how to reach it, stop it at Ctrl-C")
    run.add_argument("--nodes", type=int, default=24, help="how many nodes it has (24)")
    users = run.add_mutually_exclusive_group()
    users.add_argument("--basic", dest="auth", action="store_const", const=Auth.HTTP_BASIC, help="a password and TLS")
    users.add_argument("--keystone", dest="auth", action="store_const", const=Auth.KEYSTONE, help="a Keystone and TLS")
    run.set_defaults(auth=Auth.NOAUTH)
    run.add_argument("--mariadb", action="store_true", help="on MariaDB instead of sqlite")
    run.add_argument("--neutron", action="store_true", help="with a Neutron, whose ports are the nodes' VIFs")
    arguments = parser.parse_args()
    settings = Settings(
        auth=arguments.auth,
        tls=arguments.auth is not Auth.NOAUTH,
        database=Database.MARIADB if arguments.mariadb else Database.SQLITE,
        network=Network.NEUTRON if arguments.neutron else Network.NOOP,
    )
    try:
        return serve(settings, arguments.nodes)
    except (NotInstalledError, StartError) as error:
        print(error, file=sys.stderr)
        return 1


def serve(settings: Settings, nodes: int) -> int:
    """Start, say how to connect, wait for a signal."""
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with Ironic(settings) as ironic:
        if nodes:
            ironic.enroll(nodes)
        print(how_to_connect(ironic), flush=True)
        signal.sigwait(signals)
    return 0


def how_to_connect(ironic: Ironic) -> str:
    """What to set for Ironic's own client, and where to look."""
    lines, credentials = login(ironic), ironic.credentials
    if credentials.ca_file is not None:
        lines.append(f"export OS_CACERT={credentials.ca_file}")
    if ironic.settings.network is Network.NEUTRON:
        lines.append(f"# Neutron, for `openstack --os-auth-type none --os-endpoint ...`: {ironic.neutron.endpoint}")
    return "\n".join([*lines, "baremetal node list", f"# configuration and logs: {ironic.directory}; Ctrl-C ends it"])


def login(ironic: Ironic) -> list[str]:
    """What to set to log in; by Keystone, whose catalog has the endpoint, as the administrator."""
    credentials = ironic.credentials
    if ironic.settings.auth is Auth.KEYSTONE:
        keystone = ironic.keystone
        return [
            f"export OS_AUTH_TYPE=password OS_AUTH_URL={keystone.auth_url} OS_SYSTEM_SCOPE=all",
            f"export OS_USERNAME={keystone.admin.name} OS_PASSWORD={keystone.admin.password}",
            "export OS_USER_DOMAIN_NAME=Default",
        ]
    lines = [f"export OS_ENDPOINT={ironic.endpoint}"]
    if credentials.username is None:
        return [*lines, "export OS_AUTH_TYPE=none"]
    user = f"OS_USERNAME={credentials.username} OS_PASSWORD={credentials.password}"
    return [*lines, "export OS_AUTH_TYPE=http_basic", f"export {user}"]


if __name__ == "__main__":
    sys.exit(main())

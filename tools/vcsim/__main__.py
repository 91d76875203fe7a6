"""Run a simulated vCenter until Ctrl-C and leave nothing.

python -m tools.vcsim [--clusters N] [--hosts N] [--datastores N] [--vms N]

The first line of standard output is JSON: url, user, password, and ca_file for verifying its certificate.
"""

import argparse
import json
import signal
import sys

from tools.vcsim import NotInstalledError, Settings, StartError, VCenter

USUAL = Settings()


def main() -> int:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tools.vcsim", description=__doc__)
    parser.add_argument("--clusters", type=int, default=USUAL.clusters, help=f"clusters ({USUAL.clusters})")
    parser.add_argument("--hosts", type=int, default=USUAL.hosts, help=f"hosts of each cluster ({USUAL.hosts})")
    parser.add_argument("--datastores", type=int, default=USUAL.datastores, help=f"datastores ({USUAL.datastores})")
    parser.add_argument("--vms", type=int, default=2, help="foreign guests in each cluster (2)")
    chosen = parser.parse_args()
    settings = Settings(clusters=chosen.clusters, hosts=chosen.hosts, datastores=chosen.datastores, vms=chosen.vms)
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        with VCenter(settings) as vcenter:
            shown = {
                "url": vcenter.url,
                "user": vcenter.user,
                "password": vcenter.password,
                "ca_file": str(vcenter.ca_file),
            }
            print(json.dumps(shown), flush=True)
            signal.sigwait(signals)
    except (NotInstalledError, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Run a libvirtd of one's own beside the machine's: own processes, network, mounts, host name and state.

Whoever starts it gets one line of JSON with the connection's URI on its standard output, may then write `restart`,
`stop` or `start` to its standard input (each is answered by one line when it is done), and ends everything, guests
included, by closing that input. Needs root, libvirtd, virtlogd and QEMU.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Final

OWN: Final = ("run", "lib", "etc", "cache", "log", "tpm-authority", "tpm-log")
PLACES: Final = {
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "etc": "/etc/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
    "tpm-authority": "/var/lib/swtpm-localca",
    "tpm-log": "/var/log/swtpm",
}
UNSHARE: Final = ("unshare", "-mnupf", "--mount-proc", "--kill-child", "--propagation=private")
PATIENCE: Final = 30.0
"""Seconds within which a daemon must answer."""

LAST_WORDS: Final = 60.0
"""Seconds that libvirtd may take to stop: it lets its workers finish for 30 itself. systemd kills it then, too."""

CONFIGURATION: Final = """
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
auth_unix_rw = "none"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
# libvirt 9.0 starts no further worker while a request waits that another has not yet taken (it subtracts unsigned
# numbers), so five hung guests can stop it for good; with all workers from the start it need start none.
min_workers = 20
host_uuid = "{host_uuid}"
"""


def main() -> int:
    """Enter the namespaces, or serve in them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="an empty directory for the daemon's sockets and state")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        child = os.fork()
        return reap_until(child) if child else Daemon(arguments.directory).serve()
    command = [*UNSHARE, sys.executable, __file__, "--inside", str(arguments.directory)]
    return os.execvp(command[0], command)


def reap_until(child: int) -> int:
    """What a namespace's first process is for: while nobody takes a guest's remains, libvirt waits for its end."""
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status)  # everything in the namespace ends with this process


class Daemon:
    """The daemons inside the namespaces.

    Args:
        directory: where their state is; seen from outside, too.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.socket = self.directory / "run" / "libvirt-sock"
        self.libvirtd: subprocess.Popen[bytes] | None = None
        self.changing = threading.Lock()

    def serve(self) -> int:
        """Start, do what standard input says, stop everything at its end."""
        self.prepare()
        subprocess.Popen(
            ["virtlogd", "--pid-file", "/run/libvirt/virtlogd.pid"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self.start()
        tell(json.dumps({"uri": f"qemu+unix:///system?socket={self.socket}"}))
        threading.Thread(target=self.start_again, daemon=True).start()
        actions = {"start": self.start, "stop": self.stop, "restart": self.restart}
        for line in sys.stdin:
            with self.changing:
                actions[line.strip()]()
            tell("done")
        return 0

    def start_again(self) -> None:
        """Start libvirtd anew when it crashes, as systemd does: one test is to suffer from that, not all others."""
        while True:
            time.sleep(0.1)
            with self.changing:
                if self.libvirtd is not None and self.libvirtd.poll() is not None:
                    sys.stderr.write(f"libvirtd ended by itself: {self.libvirtd.returncode}; it is started again\n")
                    self.start()

    def prepare(self) -> None:
        """Give the namespaces their own host name, network, directories and /dev/kvm."""
        socket.sethostname(self.directory.name)
        run("ip", "link", "set", "lo", "up")
        self.show_own_devices()
        for name in OWN:
            own = self.directory / name
            own.mkdir(parents=True, exist_ok=True)
            own.chmod(0o755)
            Path(PLACES[name]).mkdir(parents=True, exist_ok=True)
            run("mount", "--bind", str(own), PLACES[name])
        if Path("/dev/kvm").exists():  # libvirt asks QEMU anew at every call when the two may not open the same device
            node = self.directory / "kvm"
            device = Path("/dev/kvm").stat().st_rdev
            os.mknod(node, 0o020666, device)
            node.chmod(0o666)
            run("mount", "--bind", str(node), "/dev/kvm")
        text = CONFIGURATION.format(host_uuid=uuid.uuid4())
        Path("/etc/libvirt/libvirtd.conf").write_text(text)
        certificates = Path("/etc/libvirt/pki")
        certificates.mkdir(exist_ok=True)
        Path("/etc/libvirt/qemu.conf").write_text(
            'user = "root"\ngroup = "root"\nswtpm_user = "root"\nswtpm_group = "root"\n'
            f'migrate_tls_x509_cert_dir = "{certificates}"\n'
        )

    def show_own_devices(self) -> None:
        """Let sysfs show this namespace's network devices: libvirt would use the machine's bridge of the same name."""
        own = self.directory / "sys"
        own.mkdir()
        run("mount", "-t", "sysfs", "sysfs", str(own))
        for place in ("class/net", "devices/virtual/net"):
            run("mount", "--bind", str(own / place), f"/sys/{place}")

    def start(self) -> None:
        """Start libvirtd and wait until it answers."""
        self.libvirtd = subprocess.Popen(
            ["libvirtd", "--pid-file", "/run/libvirt/libvirtd.pid"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if self.libvirtd.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"libvirtd does not answer; see {self.directory}/log/libvirtd.log")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Whether something accepts connections on the socket."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.socket)) == 0

    def stop(self) -> None:
        """Stop libvirtd; guests go on."""
        if self.libvirtd is not None:
            self.libvirtd.send_signal(signal.SIGTERM)
            try:
                self.libvirtd.wait(LAST_WORDS)
            except subprocess.TimeoutExpired:
                self.libvirtd.kill()
                self.libvirtd.wait()
            self.libvirtd = None

    def restart(self) -> None:
        """Stop and start libvirtd under its guests."""
        self.stop()
        self.start()


def tell(line: str) -> None:
    """Answer whoever started this."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())

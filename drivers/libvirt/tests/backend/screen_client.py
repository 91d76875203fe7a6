"""A client that knocks at a screen of VNC (RFC 6143) or SPICE, with the ticket that it reads; prints how it was met.

It runs in the network of the tests' own libvirtd.
"""

import socket
import struct
import sys

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes

VNC_AUTHENTICATION = 2
SPICE_MAIN_CHANNEL = 1
SPICE_TICKET = 1
SPICE_KEY_BYTES = 162
SPICE_CAPABILITIES = 0b11
"""That the client says how it shows who it is, and that it knows tickets."""


class Peer:
    """The screen."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=30)

    def read(self, length: int) -> bytes:
        """So many bytes."""
        found = b""
        while len(found) < length:
            part = self.socket.recv(length - len(found))
            if not part:
                raise ConnectionError("the screen hung up")
            found += part
        return found

    def number(self) -> int:
        """A byte."""
        return self.read(1)[0]


def vnc(peer: Peer, ticket: str) -> bool:
    """Whether a screen of VNC takes the ticket; one that asks for none takes every ticket."""
    peer.read(12)
    peer.socket.sendall(b"RFB 003.008\n")
    ways = peer.read(peer.number())
    if VNC_AUTHENTICATION not in ways:
        return False
    peer.socket.sendall(bytes([VNC_AUTHENTICATION]))
    challenge = peer.read(16)
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in ticket.encode()[:8].ljust(8, b"\0"))  # VNC turns its bits round
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    peer.socket.sendall(encryptor.update(challenge) + encryptor.finalize())
    return not any(peer.read(4))


def spice(peer: Peer, ticket: str) -> bool:
    """Whether a screen of SPICE takes the ticket."""
    link = struct.pack("<IBBIII", 0, SPICE_MAIN_CHANNEL, 0, 1, 0, 18) + struct.pack("<I", SPICE_CAPABILITIES)
    peer.socket.sendall(b"REDQ" + struct.pack("<III", 2, 2, len(link)) + link)
    magic, _, _, length = struct.unpack("<4sIII", peer.read(16))
    assert magic == b"REDQ", magic
    reply = peer.read(length)
    error = struct.unpack_from("<I", reply)[0]
    assert error == 0, error
    key = serialization.load_der_public_key(reply[4 : 4 + SPICE_KEY_BYTES])
    assert isinstance(key, rsa.RSAPublicKey)
    peer.socket.sendall(struct.pack("<I", SPICE_TICKET))
    sha1 = hashes.SHA1()
    oaep = padding.OAEP(mgf=padding.MGF1(algorithm=sha1), algorithm=sha1, label=None)
    peer.socket.sendall(key.encrypt(ticket.encode() + b"\0", oaep))
    return not any(peer.read(4))


def main() -> None:
    """Knock once for each line: kind, host, port, ticket."""
    for line in sys.stdin:
        kind, host, port, ticket = line.split()
        taken = {"vnc": vnc, "spice": spice}[kind](Peer(host, int(port)), ticket)
        print("taken" if taken else "refused", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

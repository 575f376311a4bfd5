"""Whether a connection on loopback comes from a process of this server's own user.

Linux tells the owner of the socket at the other end (``sock_diag``): one question about one
connection, whose answer costs the same however many connections the machine has, unlike a search
of ``/proc/net/tcp``. Where it does not tell, the answer is no, and the API key is needed:

- another system, or a sandbox without this question;
- a user namespace, as in a rootless container: what forwards a published port into it has the same
  user there, whoever sent the request, and foreign users are shown as one;
- a socket that has no process any more, which the kernel shows as root's.
"""

import functools
import ipaddress
import os
import socket
import struct
from asyncio import BaseTransport
from pathlib import Path

_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_QUESTION = struct.Struct("=BBBBI")  # inet_diag_req_v2, before the addresses
_PORTS = struct.Struct("!HH")
_LAST = struct.Struct("=III")  # interface, and a cookie that fits every connection
_ANSWER = struct.Struct("=BBBB")  # inet_diag_msg, before the addresses
_OWNER = struct.Struct("=IIIII")  # expires, rqueue, wqueue, uid, inode

_SOCK_DIAG = 4  # the netlink protocol
_BY_FAMILY = 20
_IS_REQUEST = 1
_ESTABLISHED = 1
_ANY = 0xFFFFFFFF
_ADDRESSES = 48  # bytes of inet_diag_sockid


def is_own_user(transport: BaseTransport) -> bool:
    """Whether the client of a TCP connection is known to be a process of this user."""
    here, there = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    if not (here and there and _can_tell()):
        return False
    ours, theirs = ipaddress.ip_address(here[0]), ipaddress.ip_address(there[0])
    if not (ours.is_loopback and theirs.is_loopback):
        return False
    try:
        return _owner(theirs.packed, there[1], ours.packed, here[1]) == os.geteuid()
    except (OSError, struct.error):
        return False


@functools.cache
def _can_tell() -> bool:
    """Whether users are those of the machine; the map of another user namespace is shorter."""
    try:
        first, rest = Path("/proc/self/uid_map").read_text().strip().partition("\n")[::2]
    except OSError:
        return False
    return not rest and first.split() == ["0", "0", str(_ANY)]


def _owner(address: bytes, port: int, to_address: bytes, to_port: int) -> int | None:
    """The user of the connected socket with these two ends; None if there is none."""
    ends = _PORTS.pack(port, to_port) + address.ljust(16, b"\0") + to_address.ljust(16, b"\0")
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    asked = _QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, _ANY) + ends
    asked += _LAST.pack(0, _ANY, _ANY)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as kernel:
        kernel.settimeout(0.1)
        head = _HEADER.pack(_HEADER.size + len(asked), _BY_FAMILY, _IS_REQUEST, 1, 0)
        kernel.send(head + asked)
        answer = kernel.recv(4096)
    if _HEADER.unpack_from(answer)[1] != _BY_FAMILY:
        return None
    state = _ANSWER.unpack_from(answer, _HEADER.size)[1]
    start = _HEADER.size + _ANSWER.size
    *_, uid, inode = _OWNER.unpack_from(answer, start + _ADDRESSES)
    # If the connection does not exist, the kernel finds the socket that listens.
    if state != _ESTABLISHED or not inode or answer[start : start + len(ends)] != ends:
        return None
    return int(uid)

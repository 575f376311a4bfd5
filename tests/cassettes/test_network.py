import asyncio
import contextlib
import socket
import urllib.error
import urllib.request
from collections.abc import Callable

import httpx2
import pytest

from tunebench.cassettes import blocked_network
from tunebench.errors import NetworkBlockedError


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


def connect(address: tuple[str, int]) -> None:
    with socket.socket() as client:
        client.connect(address)


def connect_ex(address: tuple[str, int]) -> None:
    with socket.socket() as client:
        assert client.connect_ex(address) == 0


def create_connection(address: tuple[str, int]) -> None:
    socket.create_connection(address).close()


def asynchronous(address: tuple[str, int]) -> None:
    async def open_and_close() -> None:
        _, writer = await asyncio.open_connection(*address)
        writer.close()

    asyncio.run(open_and_close())


def getaddrinfo(address: tuple[str, int]) -> None:
    assert socket.getaddrinfo(*address)


def gethostbyname(address: tuple[str, int]) -> None:
    assert socket.gethostbyname(address[0]) == address[0]


def gethostbyname_ex(address: tuple[str, int]) -> None:
    assert socket.gethostbyname_ex(address[0])


def gethostbyaddr(address: tuple[str, int]) -> None:
    with contextlib.suppress(socket.herror):  # it may well have no name
        socket.gethostbyaddr(address[0])


def sendto(address: tuple[str, int]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        assert client.sendto(b"a", address) == client.sendto(b"a", 0, address) == 1


def sendmsg(address: tuple[str, int]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        assert client.sendmsg([b"a"], [], 0, address) == 1


ways = pytest.mark.parametrize(
    "use",
    [
        sendto,
        sendmsg,
        gethostbyaddr,
        connect,
        connect_ex,
        create_connection,
        asynchronous,
        getaddrinfo,
        gethostbyname,
        gethostbyname_ex,
    ],
)


@ways
def test_no_connection_and_no_look_up_passes_and_afterwards_all_do(
    listener, use: Callable[[tuple[str, int]], None]
) -> None:
    use(listener)
    with blocked_network("m-1shot"), pytest.raises(NetworkBlockedError) as raised:
        use(listener)
    assert "127.0.0.1" in str(raised.value)
    use(listener)


def test_the_message_names_who_where_and_the_fix(listener) -> None:
    with blocked_network("m-1shot"), pytest.raises(NetworkBlockedError) as raised:
        connect(listener)
    assert str(raised.value) == (
        f"m-1shot: a connection to {listener!r} was refused, since replay never uses the network; "
        "record with --record=missing, or take that connection out."
    )


def test_urllib_is_refused_and_restored(loopback, said) -> None:
    loopback.answer = lambda _: said({})
    with blocked_network("m-1shot"), pytest.raises(urllib.error.URLError) as raised:
        urllib.request.urlopen(loopback.root)
    assert isinstance(raised.value.reason, NetworkBlockedError)
    assert loopback.asked == []
    assert urllib.request.urlopen(loopback.root).status == 200


def test_httpx2_is_refused_and_restored(loopback, said) -> None:
    loopback.answer = lambda _: said({})
    with (
        blocked_network("m-1shot"),
        httpx2.Client() as client,
        pytest.raises(httpx2.ConnectError, match="replay never uses the network"),
    ):
        client.get(loopback.root)
    assert loopback.asked == []
    assert httpx2.get(loopback.root).status_code == 200


def test_ipv6_is_refused() -> None:
    with (
        socket.socket(socket.AF_INET6) as client,
        blocked_network("m-1shot"),
        pytest.raises(NetworkBlockedError),
    ):
        client.connect(("::1", 9))


def test_unix_sockets_stay_open(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of such a socket must be short
    with socket.socket(socket.AF_UNIX) as server, blocked_network("m-1shot"):
        server.bind("here")
        server.listen()
        for connect_to in (socket.socket.connect, socket.socket.connect_ex):
            with socket.socket(socket.AF_UNIX) as client:
                assert not connect_to(client, "here")
                connection, _ = server.accept()
                client.sendall(b"hello")
                assert connection.recv(5) == b"hello"
                connection.close()


def test_an_error_inside_opens_the_network_again(listener) -> None:
    with pytest.raises(ZeroDivisionError), blocked_network("m-1shot"):
        raise ZeroDivisionError
    connect(listener)


def test_blocks_can_be_nested(listener) -> None:
    with blocked_network("outer"):
        with blocked_network("inner"), pytest.raises(NetworkBlockedError, match=r"^inner: "):
            connect(listener)
        with pytest.raises(NetworkBlockedError, match=r"^outer: "):
            connect(listener)
    connect(listener)


def test_a_message_on_an_open_connection_has_no_address_and_passes() -> None:
    left, right = socket.socketpair()
    with (
        left,
        right,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        blocked_network("m-1shot"),
    ):
        assert client.sendmsg([b"ab"]) == client.sendmsg([b"ab"], [], 0, None) == 2
        assert left.sendmsg([b"ab"]) == 2

"""Pages of other sites are kept out: Host, Origin and Sec-Fetch-Site are checked on every route."""

import socket

import httpx2
import pytest

pytest.importorskip("torch", reason="needs the local extra: pip install -e '.[local]'")

from .conftest import serving

ROUTES = [
    ("GET", "/v1/files"),
    ("GET", "/health"),
    ("GET", "/openapi.json"),
    ("GET", "/nothing"),
    ("HEAD", "/v1/models"),
    ("OPTIONS", "/v1/fine_tuning/jobs"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/files"),
    ("POST", "/v1/fine_tuning/jobs/x/cancel"),
    ("DELETE", "/v1/files/x"),
]


def port_of(served):
    return int(served.url.removesuffix("/v1").rpartition(":")[2])


def raw(served, target, *headers, method="GET", version="1.1"):
    """The status of a request as it is written here."""
    head = "\r\n".join([f"{method} {target} HTTP/{version}", *headers, "", ""])
    with socket.create_connection(("127.0.0.1", port_of(served)), timeout=120) as connection:
        connection.sendall(head.replace("PORT", str(port_of(served))).encode())
        return int(connection.recv(4096).split(b" ")[1])


def own(served, **headers):
    """The headers of a request, with this server's port."""
    return {
        name.replace("_", "-"): value.replace("PORT", str(port_of(served)))
        for name, value in headers.items()
    }


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "page.example:PORT"},
        {"Origin": "http://page.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
def test_another_site_is_refused_on_every_route(served, method, path, headers):
    url = served.url.removesuffix("/v1") + path
    answer = httpx2.request(method, url, headers=own(served, **headers))
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]
    if method != "HEAD":
        error = answer.json()["error"]
        assert error["code"] == "other_site"
        assert error["message"].endswith(".")


def test_a_form_of_another_site_uploads_nothing(served):
    files = {"file": ("a.jsonl", b'{"prompt": "a", "completion": "b"}\n')}
    before = httpx2.get(f"{served.url}/files").json()["data"]
    answer = httpx2.post(
        f"{served.url}/files",
        data={"purpose": "fine-tune"},
        files=files,
        headers={"Origin": "http://page.example", "Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403
    assert httpx2.get(f"{served.url}/files").json()["data"] == before


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:PORT",
        "localhost:PORT",
        "LocalHost.:PORT",
        "[::1]:PORT",
        "[0:0::1]:PORT",
        "localhost",
        "127.0.0.1",
    ],
)
def test_the_own_addresses_are_answered(served, host):
    assert raw(served, "/v1/models", f"Host: {host}") == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost.page.example:PORT",
        "127.0.0.1.page.example:PORT",
        "page.example.",
        "127.0.0.1:1",
        "127.0.0.2:PORT",
        "2130706433:PORT",
        "0.0.0.0:PORT",
        "[::2]:PORT",
        "[::ffff:127.0.0.1]:PORT",
        "[::1",
        "x@127.0.0.1:PORT",
        "127.0.0.1:PORT@x",
        "127.0.0.1:PORT, x",
        "x/..",
        "a b",
        "",
    ],
)
def test_another_host_is_refused(served, host):
    assert raw(served, "/v1/models", f"Host: {host}") == 403


def test_a_request_has_one_host(served):
    assert raw(served, "/v1/models", version="1.0") == 403
    both = ("Host: 127.0.0.1:PORT", "Host: page.example")
    assert raw(served, "/v1/models", *both) in (400, 403)
    assert raw(served, "/v1/models") in (400, 403)


@pytest.mark.parametrize(
    "target", ["http://page.example/v1/models", "HTTP://x:PORT/v1/models", "x:443", "//x@y:1"]
)
def test_the_host_in_a_target_counts(served, target):
    status = raw(served, target, "Host: 127.0.0.1:PORT")
    assert status == (404 if target.startswith("/") else 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://127.0.0.1:PORT"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:PORT.page.example"},
        {"Origin": ""},
        {"Origin": "http://localhost:PORT"},
        {"Sec_Fetch_Site": "Cross-Site"},
        {"Sec_Fetch_Site": "same-origin, cross-site"},
    ],
    ids=str,
)
def test_a_site_that_only_looks_like_the_own_is_refused(served, headers):
    answer = httpx2.get(f"{served.url}/models", headers=own(served, **headers))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1:PORT"},
        {"Origin": "http://localhost:PORT", "Host": "localhost:PORT"},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
    ],
    ids=str,
)
def test_own_pages_and_programs_are_answered(served, headers):
    answer = httpx2.get(f"{served.url}/models", headers=own(served, **headers))
    assert answer.status_code == 200


def test_a_server_for_all_addresses_takes_any_host_with_the_key(tiny_folders):
    """It cannot know the names that lead to it; a page of another site does not know the key."""
    with serving(tiny_folders, api_key="geheim", host="0.0.0.0") as served:
        key = {"Authorization": "Bearer geheim", "Host": "gpu.example:9000"}
        assert httpx2.get(f"{served.url}/models", headers=key).status_code == 200
        origin = {"Origin": "http://gpu.example:9000"}
        assert httpx2.get(f"{served.url}/models", headers=key | origin).status_code == 200
        origin = {"Origin": "http://page.example"}
        assert httpx2.get(f"{served.url}/models", headers=key | origin).status_code == 403
        del key["Authorization"]
        assert httpx2.get(f"{served.url}/models", headers=key).status_code == 401


def test_a_server_with_a_name_is_asked_by_it(tiny_folders):
    with serving(tiny_folders, api_key="geheim", host="GPU.example") as served:
        key = {"Authorization": "Bearer geheim"}
        for host, status in [("gpu.example:PORT", 200), ("localhost:PORT", 403)]:
            headers = key | own(served, Host=host)
            assert httpx2.get(f"{served.url}/models", headers=headers).status_code == status

"""The server of the Data Docs, over a real socket."""

import os
import socket
from http.client import HTTPConnection

import pytest

from analytics_dagster.errors import AnalyticsError
from analytics_dagster.quality.data_docs import serving


@pytest.fixture
def folder(tmp_path):
    site = tmp_path / "site"
    (site / "tenants").mkdir(parents=True)
    (site / "runs").mkdir()
    (site / "index.html").write_text("<h1>all</h1>")
    (site / "tenants" / "kirana.html").write_text("<h1>kirana</h1>")
    (site / "tenants" / ".kirana.html.abc.tmp").write_text("half")
    (site / "secret.txt").write_text("secret")
    (tmp_path / "secret.html").write_text("secret")
    return site


@pytest.fixture
def server(folder):
    with serving.docs_server(folder, 0) as running:
        running.start()
        yield running


def ask(server, path, method="GET", host=None):
    port = server.server_address[1]
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True)  # the path goes out as it is
        connection.putheader("Host", f"127.0.0.1:{port}" if host is None else host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", b"<h1>all</h1>"),
        ("/index.html", b"<h1>all</h1>"),
        ("/index.html?x=1", b"<h1>all</h1>"),
        ("/tenants/kirana.html", b"<h1>kirana</h1>"),
    ],
)
def test_pages_are_shown(server, path, body):
    status, said, headers = ask(server, path)
    assert (status, said) == (200, body)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert "Python" not in headers["Server"]


@pytest.mark.parametrize(
    "path",
    [
        "/tenants",
        "/tenants/",
        "/runs/",
        "/secret.txt",
        "/../secret.html",
        "/tenants/../../secret.html",
        "/tenants/..%2f..%2fsecret.html",
        "/%2e%2e/secret.html",
        "//etc/passwd",
        "/tenants/.kirana.html.abc.tmp",
        "/tenants/kirana.html%00",
        "/tenants/kirana.html/",
        "/tenants/nobody.html",
        "/TENANTS/kirana.html",
    ],
)
def test_what_is_no_page_is_not_found(server, path):
    status, said, headers = ask(server, path)
    assert (status, said) == (404, b"There is no such page.\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_head_says_as_much_without_the_page(server):
    status, said, headers = ask(server, "/", method="HEAD")
    assert (status, said, headers["Content-Length"]) == (200, b"", "12")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_pages_can_only_be_read(server, method):
    status, _, headers = ask(server, "/", method=method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8080", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("[", 421),
    ],
)
def test_another_name_that_leads_here_is_refused(server, host, status):
    assert ask(server, "/", host=host)[0] == status


def test_before_the_first_run_a_reader_is_told(tmp_path):
    with serving.docs_server(tmp_path / "nothing yet", 0) as server:
        server.start()
        assert ask(server, "/")[:2] == (404, b"No run has written the Data Docs yet.\n")


def test_it_listens_on_this_machine_only(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_address[1]}"


def test_a_client_that_goes_away_disturbs_nobody(server, capfd):
    for words in (b"GET / HTTP/1.1\r\n", b"nonsense\r\n\r\n", b"GET /index.html HTTP/1.0\r\nHost: localhost\r\n\r\n"):
        with socket.create_connection(server.server_address, timeout=10) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.sendall(words)
    assert ask(server, "/")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_port_in_use_or_about_to_be_is_passed_over(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serving.docs_server(folder, port, taken=port + 1) as server:
            assert server.server_address[1] > port + 1


def test_without_a_free_port_the_setting_is_named(folder, monkeypatch):
    monkeypatch.setattr(serving, "PORTS_TRIED", 1)
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(AnalyticsError, match="ANALYTICS_DATA_DOCS_PORT"),
        serving.docs_server(folder, taken.getsockname()[1]),
    ):
        pass


def test_the_port_is_free_again_afterwards(folder):
    with serving.docs_server(folder, 0) as server:
        server.start()
        port = server.server_address[1]
        assert ask(server, "/")[0] == 200
    with pytest.raises(OSError, match=os.strerror(111)), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass

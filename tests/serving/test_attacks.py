"""What strangers may try with `cgkit serve`: other hosts and origins, paths, bombs, slow and greedy clients."""

from __future__ import annotations

import contextlib
import http.client
import io
import shutil
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from tests.conftest import Result
from tests.serving.conftest import Server, Start, end, launch, png, wait_until

Cli = Callable[..., Result]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "[", "", "192.168.0.7:8765"])
def test_a_name_that_dns_points_here_is_refused(server: Server, host: str) -> None:
    answer = server.get("/api/runs", Host=host)
    assert answer.status in (400, 421)
    assert b"tiny" not in answer.body


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8765"])
def test_names_of_this_machine_are_accepted(server: Server, host: str) -> None:
    assert server.get("/api/runs", Host=host).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("action", ["stop", "continue", "translate"])
def test_the_page_of_another_server_changes_nothing(server: Server, headers: dict[str, str], action: str) -> None:
    answer = server.ask("POST", f"/api/runs/tiny/{action}", png(), **headers)
    assert answer.status == 403
    assert answer.json == {"error": "this request comes from the page of another server"}


def test_its_own_page_may_ask(server: Server) -> None:
    host = f"127.0.0.1:{server.port}"
    assert server.translate(png(), Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin").status == 200


def test_no_other_page_may_read_or_frame_an_answer(server: Server) -> None:
    for path in ("/", "/runs/tiny", "/api/runs", "/static/serve.js", "/none"):
        headers = server.get(path).headers
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/api/runs/..%2f..%2fetc",
        "/api/runs/%2e%2e",
        "/runs/other%2ftiny",
        "/runs//etc/passwd",
        "/runs/tiny%00",
        "/compare?run=/etc&run=tiny",
        "/compare?run=tiny@../../x&run=tiny",
        "//etc/passwd",
    ],
)
def test_a_path_leads_nowhere(server: Server, path: str) -> None:
    answer = server.get(path)
    assert answer.status in (400, 404)
    assert b"root:" not in answer.body


@pytest.mark.parametrize(
    "name", ["../../../tmp/x.png", "/etc/passwd", "a\x00b.png", "..", "x" * 5000 + ".png", "con.png/"]
)
def test_the_name_of_an_image_is_only_a_name(server: Server, name: str) -> None:
    answer = server.translate(png(), query=f"name={quote(name, safe='')}")
    assert answer.status == 200
    assert "/" not in answer.headers["content-disposition"].partition("''")[2]
    assert "%2F" not in answer.headers["content-disposition"]
    assert "\n" not in answer.headers["content-disposition"]


def bomb(width: int, height: int) -> bytes:
    """Return a PNG file that claims many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10**6))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 1), (20_000, 20_000)])
def test_an_image_that_claims_many_pixels_is_not_decoded(server: Server, size: tuple[int, int]) -> None:
    answer = server.translate(bomb(*size))
    assert answer.status == 422
    assert "pixels" in answer.json["error"] or "damaged" in answer.json["error"]
    assert str(server.folder) not in answer.body.decode()


@pytest.fixture(scope="module")
def limited(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with low limits."""
    folder = tmp_path_factory.mktemp("limited")
    shutil.copytree(trained, folder / "tiny")
    started = launch(folder, "--max-upload", "1", "--max-pixels", "200000", "--queue", "3")
    yield started
    end(started)


def test_more_pixels_than_allowed_are_refused(limited: Server) -> None:
    assert limited.translate(png(400, 400)).status == 200
    answer = limited.translate(png(500, 500))
    assert answer.status == 422
    assert "image.png" in answer.json["error"]


def endless() -> Iterator[bytes]:
    while True:
        yield bytes(2**16)


def test_an_upload_is_cut_off_at_its_limit_declared_or_not(limited: Server) -> None:
    declared = limited.ask("POST", "/api/runs/tiny/translate", None, Content_Length=str(2**40))
    assert declared.status == 413
    # An answer can be lost if the connection is reset while the client still sends.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        assert limited.ask("POST", "/api/runs/tiny/translate", endless()).status == 413
    assert limited.translate(png()).status == 200
    assert wait_until(lambda: not limited.kept())


def test_clients_that_send_slowly_do_not_stop_others_and_are_cut_off(server: Server) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    for each in slow:
        each.sendall(b"GET /api/runs HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    try:
        assert server.translate(png()).status == 200
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            try:
                for each in slow:
                    each.sendall(b"a")
            except OSError:
                break
            time.sleep(1)
        else:
            pytest.fail("slow clients keep their connections")
    finally:
        for each in slow:
            each.close()
    assert server.get("/api/runs").status == 200


def test_a_client_that_asks_twice_on_one_connection_may_not_be_slow_the_second_time(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=40) as client:
        client.sendall(b"GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(2**16).startswith(b"HTTP/1.1 200")
        client.sendall(b"GET /api/ru")
        while client.recv(2**16):
            pass


def test_a_full_queue_answers_429_and_loses_nothing_it_has_accepted(limited: Server) -> None:
    image, answers = png(400, 400), []

    def ask() -> None:
        answers.append(limited.translate(image))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 429}
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.headers["retry-after"] == "5"
    assert refused.json["error"] == "3 translations are waiting"
    assert limited.translate(image).status == 200


def test_a_translation_that_takes_too_long_is_ended_and_the_next_one_works(start: Start) -> None:
    server = start("--time-limit", "3", "--max-pixels", "100000000")
    picture = io.BytesIO()
    Image.new("RGB", (7900, 7900)).save(picture, "PNG")
    # The first answer may also wait for torch.
    answer = wait_until(lambda: (got := server.translate(png())).status == 200 and got)
    assert answer.status == 200
    slow = server.translate(picture.getvalue())
    assert slow.status == 504
    assert "more than 3 seconds" in slow.json["error"]
    assert wait_until(lambda: server.translate(png()).status == 200)


def test_a_client_that_leaves_does_not_block_the_queue(server: Server) -> None:
    for _ in range(50):
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.putrequest("POST", "/api/runs/tiny/translate")
        connection.putheader("Content-Length", "1000")
        connection.endheaders()
        connection.send(b"half")
        connection.close()
    assert wait_until(lambda: server.translate(png()).status == 200)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /" + b"a" * 2**17,
        b"POST /api/runs/tiny/translate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /api/runs/tiny/translate HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(server: Server, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(sent)
        assert client.recv(100).startswith(b"HTTP/1.1 400")
    assert server.get("/api/runs").status == 200


@pytest.fixture(scope="module")
def open_server(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that other machines can reach."""
    folder = tmp_path_factory.mktemp("open")
    shutil.copytree(trained, folder / "tiny")
    started = launch(folder, "--host", "0.0.0.0")
    yield started
    end(started)


class TestFromOtherMachines:
    def test_every_request_needs_the_token(self, open_server: Server) -> None:
        token, open_server.token = open_server.token, ""
        assert len(token) >= 32
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Cookie": "cgkit_token=wrong"},
            {"Authorization": token},
        ):
            for path in ("/", "/runs/tiny", "/api/runs", "/static/serve.js", "/openapi.json", "/?token=wrong"):
                assert open_server.get(path, **headers).status == 401
        open_server.token = token
        assert open_server.get("/api/runs").status == 200

    def test_the_printed_address_stores_the_token_and_drops_it_from_the_address(self, open_server: Server) -> None:
        token, open_server.token = open_server.token, ""
        answer = open_server.get(f"//evil.example/?token={token}&a=b")
        assert (answer.status, answer.headers["location"]) == (303, "/evil.example/?a=b")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert open_server.get("/api/runs", Cookie=cookie.partition(";")[0]).status == 200
        open_server.token = token

    def test_a_name_is_accepted_only_if_it_is_allowed(self, open_server: Server) -> None:
        assert open_server.get("/api/runs", Host="10.0.0.3:80").status == 200
        assert open_server.get("/api/runs", Host="evil.example").status == 421

    def test_a_name_of_a_proxy_can_be_allowed(self, start: Start) -> None:
        server = start("--allow-host", "models.example", "--token", "0123456789abcdef")
        server.token = "0123456789abcdef"
        assert server.get("/api/runs", Host="models.example").status == 200


def test_a_short_token_is_refused(trained: Path, cgkit: Cli) -> None:
    result = cgkit("serve", trained, "--token", "secret")
    assert result.code == 2
    assert "a token needs at least 16 printable ASCII characters" in result.err


def test_what_cannot_be_served_is_an_error(trained: Path, tmp_path: Path, cgkit: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        result = cgkit("serve", trained, "--port", other.getsockname()[1])
    assert result.code == 7
    assert "cannot listen at 127.0.0.1" in result.err
    assert "choose another --port" in result.err
    missing = cgkit("serve", tmp_path / "none")
    assert (missing.code, missing.err) == (
        2,
        f"error: {tmp_path / 'none'} is not a folder; pass the folder that contains the runs\n",
    )


def test_without_its_packages_a_sentence_says_what_to_install(
    trained: Path, cgkit: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = cgkit("serve", trained)
    assert result.code == 2
    assert 'cgkit serve needs uvicorn; pip install "cgkit[serve]"' in result.err

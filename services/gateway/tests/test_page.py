"""The page as a browser asks for it: what is there, in which headers, and how little is sent."""

import gzip
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
from wire_world import GatewayProcess

from speechpipe_common.languages import all_languages
from speechpipe_gateway.app.page import page_files, policy
from speechpipe_gateway.session import Options

MOST_BYTES = 150_000


@pytest.fixture(scope="module")
def gateway(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that asks for a key."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(valkey, folder, DEFAULT_SOURCE_LANGUAGE="German", DEFAULT_TARGET_LANGUAGES="es,it") as process:
        yield process


def ask(gateway: GatewayProcess, path: str, method: str = "GET", **headers: str) -> tuple[int, Message, bytes]:
    """Status, headers and body of a path at the client port."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{gateway.port}{path}", headers=names, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_the_page_allows_nothing_from_elsewhere(gateway: GatewayProcess):
    """The page comes with headers that keep scripts, frames and requests to its own host, and its types to be kept."""
    status, headers, body = ask(gateway, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body.startswith(b"<!doctype html>")
    rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    host = f"127.0.0.1:{gateway.port}"
    assert rules["default-src"] == rules["frame-ancestors"] == rules["form-action"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["connect-src"] == f"'self' ws://{host} wss://{host}"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "microphone=(self)" in headers["Permissions-Policy"]
    assert "geolocation=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize("host", ["a.example; script-src *", "a b", "", None, "x" * 300, "[::1"])
def test_a_strange_host_gets_no_place_in_the_policy(host: str | None):
    """What a client calls the host is only repeated where it is one."""
    assert "connect-src 'self';" in policy(host)


@pytest.mark.parametrize("host", ["captions.example", "127.0.0.1:5026", "[::1]:5026", "[2001:db8::7]"])
def test_a_host_may_be_spoken_to_by_websocket(host: str):
    """Every way to write a host is known."""
    assert f"connect-src 'self' ws://{host} wss://{host};" in policy(host)


def test_what_a_browser_has_is_not_sent_again(gateway: GatewayProcess):
    """The ETag of an answer is answered with 304 and no body, weakened by a proxy or not; another is not."""
    _, headers, _ = ask(gateway, "/page/main.js")
    for tag in (headers["ETag"], f"W/{headers['ETag']}", f'"other", {headers["ETag"]}'):
        status, again, body = ask(gateway, "/page/main.js", If_None_Match=tag)
        assert (status, body, again["ETag"]) == (304, b"", headers["ETag"])
    assert ask(gateway, "/page/main.js", If_None_Match='"other"')[0] == 200
    assert headers["Cache-Control"] == "no-cache"


def test_what_start_needs_is_kept_by_version(gateway: GatewayProcess):
    """The part that is loaded late is kept for good under its version's name, and asked for again under any other."""
    worklet = json.loads(ask(gateway, "/page/config.json")[2])["worklet"]
    assert "immutable" in ask(gateway, f"/page/{worklet}")[1]["Cache-Control"]
    assert ask(gateway, "/page/worklet.js?v=old")[1]["Cache-Control"] == "no-cache"


def test_a_part_is_compressed_for_who_reads_that(gateway: GatewayProcess):
    """The same file comes with gzip and without, as asked for, and HEAD has its headers alone."""
    _, plain_headers, plain = ask(gateway, "/page/style.css")
    _, zipped_headers, zipped = ask(gateway, "/page/style.css", Accept_Encoding="gzip, br")
    assert plain_headers["Content-Encoding"] is None
    assert zipped_headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped) == plain
    assert zipped_headers["Vary"] == "Accept-Encoding"
    status, headers, body = ask(gateway, "/page/style.css", "HEAD")
    assert (status, headers["Content-Type"], body) == (200, "text/css; charset=utf-8", b"")


def test_only_the_pages_own_files_are_there(gateway: GatewayProcess):
    """Nothing beside the page can be asked for by a path, and nothing can be sent to it."""
    for path in ("/page/", "/page/index.html", "/page/../settings.py", "/page/%2e%2e/settings.py", "/docs"):
        assert ask(gateway, path)[0] == 404, path
    assert ask(gateway, "/", "POST")[0] == 405


def test_the_page_knows_the_servers_languages(gateway: GatewayProcess):
    """The page is told every language, which of them are heard, the defaults, and that a key is asked for; no key."""
    _, headers, body = ask(gateway, "/page/config.json")
    config = json.loads(body)
    assert headers["Content-Type"] == "application/json"
    assert (config["key"], config["source"], config["targets"]) == (True, "de", ["es", "it"])
    assert {one["code"]: one["heard"] for one in config["languages"]} == {
        language.code: language.whisper for language in all_languages()
    }
    assert gateway.key.encode() not in body


def test_the_page_is_small():
    """Everything that a browser can load of the page is less than 150 kB, before it is compressed too."""
    files = page_files(needs_key=False, options=Options(None, ()))
    assert sum(len(file.body) for file in files.values()) < MOST_BYTES
    assert sum(len(file.zipped) for file in files.values()) < MOST_BYTES / 3

"""A page can be served and reached behind a proxy, and on a computer that others use too."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from helpers.base import surroundings

ROOT = Path(__file__).parent.parent
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def no_proxies(monkeypatch):
    for name in (*PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.setenv(name, "")  # so that it is put back, whatever the test sets
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(
    "before, after",
    [
        ({}, "localhost,127.0.0.1,::1"),
        ({"no_proxy": ""}, "localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "example.org, localhost"}, "example.org,localhost,127.0.0.1,::1"),
        ({"no_proxy": ".lan", "NO_PROXY": "other"}, ".lan,localhost,127.0.0.1,::1"),
    ],
)
def test_own_addresses_are_added_to_what_needs_no_proxy(no_proxies, proxy, before, after):
    no_proxies.setenv(proxy, "http://127.0.0.1:9")
    for name, value in before.items():
        no_proxies.setenv(name, value)
    for _ in range(2):
        surroundings.reach_own_addresses_directly()
        assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == after


@pytest.mark.parametrize("settings", [{}, {"http_proxy": ""}, {"http_proxy": "x", "no_proxy": "*"}])
def test_nothing_is_added_where_nothing_is_to_be_gone_past(no_proxies, settings):
    for name, value in settings.items():
        no_proxies.setenv(name, value)
    before = dict(os.environ)
    surroundings.reach_own_addresses_directly()
    assert dict(os.environ) == before


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_a_proxy_of_the_systems_settings_is_gone_past_too(no_proxies, system):
    no_proxies.setattr(sys, "platform", system)
    no_proxies.setattr("urllib.request.getproxies", lambda: {"https": "http://192.0.2.1:8080"})
    surroundings.reach_own_addresses_directly()
    assert os.environ["https_proxy"] == "http://192.0.2.1:8080"
    assert os.environ["no_proxy"] == "localhost,127.0.0.1,::1"


def test_windows_without_a_proxy_gets_none(no_proxies):
    no_proxies.setattr(sys, "platform", "win32")
    no_proxies.setattr("urllib.request.getproxies", dict)
    surroundings.reach_own_addresses_directly()
    assert "no_proxy" not in os.environ


needs_users = pytest.mark.skipif(not hasattr(os, "getuid"), reason="each user has a folder there")


@needs_users
@pytest.mark.parametrize("taken", ["", "file", "other"])
def test_uploads_have_a_folder_of_this_user(monkeypatch, tmp_path, taken):
    monkeypatch.delenv(surroundings.UPLOADS)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "gradio").touch()  # another user's, for all that we can do with it
    named = tmp_path / f"gradio-{os.getuid()}"
    if taken == "file":
        named.touch()
    elif taken == "other":
        named.mkdir()
        monkeypatch.setattr(os, "getuid", lambda: 4321)
        named.rename(tmp_path / "gradio-4321")
    surroundings.keep_uploads_apart()
    folder = Path(os.environ[surroundings.UPLOADS])
    assert folder.parent == tmp_path and folder.stat().st_mode & 0o777 == 0o700
    assert (folder == named) == (taken == "")


@needs_users
def test_a_folder_that_was_named_stays(monkeypatch, tmp_path):
    monkeypatch.setenv(surroundings.UPLOADS, str(tmp_path))
    surroundings.keep_uploads_apart()
    assert os.environ[surroundings.UPLOADS] == str(tmp_path)


PAGE = """
import helpers, gradio
from gradio_client import Client
page = gradio.Interface(lambda image: image, "image", "image", flagging_mode="never",
                        api_name="same", analytics_enabled=False)
page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
client = Client(page.local_url, verbose=False, analytics_enabled=False)
import PIL.Image, gradio_client, sys
PIL.Image.new("RGB", (8, 8)).save(sys.argv[1])
print(client.predict(gradio_client.handle_file(sys.argv[1]), api_name="/same"))
page.close(verbose=False)
"""


def test_a_page_starts_behind_proxies_and_beside_another_users_uploads(tmp_path):
    """As lesson 10 does it, and as the app did."""
    (tmp_path / "gradio").write_text("another user's", encoding="utf-8")
    own = {name: value for name, value in os.environ.items() if name.lower() not in PROXIES}
    own.pop(surroundings.UPLOADS)
    dead = {"http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", PAGE, str(tmp_path / "picture.png")],
        env=own | dead | {"TMPDIR": str(tmp_path), "GRADIO_ANALYTICS_ENABLED": "False"},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_file()

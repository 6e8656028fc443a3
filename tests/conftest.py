"""Fixtures that several test modules share."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_pipe():
    """A random SD 1.x pipeline of 32 x 32 pixels. Tests share it, so they must not change it."""
    from tests.pipelines import tiny_sd_pipeline

    return tiny_sd_pipeline()


@pytest.fixture
def no_network(monkeypatch):
    """Make every attempt to reach another computer fail."""
    import socket

    def refuse(*args, **kwargs):
        raise OSError("the network is blocked in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def hub_cache(tmp_path, monkeypatch, no_network):
    """An empty cache of downloads from the hub, with the hub off; call it to put a folder there.

    `hub_cache("owner/model", folder)` copies the folder in as the newest revision and returns
    the copy.
    """
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def add(hub_id, folder, commit="0123456789abcdef0123456789abcdef01234567"):
        home = cache / f"models--{hub_id.replace('/', '--')}"
        (home / "refs").mkdir(parents=True)
        (home / "refs" / "main").write_text(commit, encoding="utf-8")
        return Path(shutil.copytree(folder, home / "snapshots" / commit))

    return add

"""Fixtures that several test modules share."""

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

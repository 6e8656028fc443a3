"""A web application, served from a thread of this process."""

import contextvars
import socket
import threading
import time
from collections.abc import Callable

import uvicorn

SECONDS_TO_START = 30
SECONDS_TO_STOP = 10


class WebServer:
    """Serves until `stop()` is called or the `with` block ends.

    Args:
        build: Makes the ASGI application.
        name: What is served, for messages: "the app".
        host: "127.0.0.1" serves this computer alone, "0.0.0.0" the whole network.
        ports: Tried in this order; 0 takes any that is free.

    Raises OSError if it can have none of the ports, RuntimeError if it does not start.

    Attributes:
        url: Its address for this computer, without a slash at the end.
        port: The port that it has.
    """

    def __init__(self, build: Callable[[], Callable], name: str, host: str, *ports: int):
        self.name, self.host = name, host
        self._listener = _listen_somewhere(name, host, ports)
        self.port = self._listener.getsockname()[1]
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        self.url = f"http://[{here}]:{self.port}" if ":" in here else f"http://{here}:{self.port}"
        try:
            # In a context of its own: within an event of another Gradio app, gradio would take our
            # page for a part of that app.
            app = contextvars.Context().run(build)
        except BaseException:
            self._listener.close()
            raise
        # No header of a caller says where it comes from: anybody can write one.
        config = uvicorn.Config(
            app,
            log_level="warning",
            ws="none",
            timeout_graceful_shutdown=1,
            proxy_headers=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listener],), name=name, daemon=True
        )
        self._thread.start()
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + SECONDS_TO_START
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"{self.name} did not start; its log says why")
            time.sleep(0.01)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def wait(self) -> None:
        """Return when the server has stopped."""
        while self.running:
            self._thread.join(1)  # in pieces, so that Ctrl-C gets through on Windows too

    def stop(self) -> None:
        """Stop serving and free the port. Requests that are under way get a second to end."""
        self._server.should_exit = True
        self._thread.join(SECONDS_TO_STOP)
        self._listener.close()

    def __enter__(self) -> "WebServer":
        return self

    def __exit__(self, *exception) -> None:
        self.stop()


def _listen_somewhere(name: str, host: str, ports: tuple[int, ...]) -> socket.socket:
    for port in ports[:-1]:
        try:
            return _listen(name, host, port)
        except OSError:
            continue
    return _listen(name, host, ports[-1])


def _listen(name: str, host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows would share the port with another program
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise OSError(
            error.errno,
            f"{name} cannot have port {port} of {host} ({error.strerror}). If another "
            "program has it, stop that one or choose another port; port=0 takes a free one",
        ) from error
    return listener

"""The app under a class: many at once, clients that leave, a server that is killed.

    python -m benchmarks.app_load
    python -m benchmarks.app_load drawing --users 10 --steps 10

Everything runs on this computer: a server as `python -m helpers app` starts it, and one
gradio_client a user. Printed are the figures, and whether every promise was kept: each picture
equals that of `pipe()` to one of 256 levels, no confirmed rating is lost, whoever leaves frees
the place. A broken promise ends the run with an error.
"""

import argparse
import io
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import httpx
import numpy
import torch
from gradio_client import Client
from PIL import Image

from helpers import load_pipeline
from helpers.app.rate import CLASS, MINE, UP
from helpers.feedback import Feedback

SUBJECTS = ("fox", "owl", "robot", "cake", "car", "star", "tree", "whale", "house", "rose")
COLOURS = ("teal", "red", "yellow")
GUIDANCE = (1.0, 3.0, 5.0, 7.5)
OWN_SCHEDULER = "the model's own"
PARTS = ("drawing", "leaving", "rating")
PATIENCE = 300.0  # seconds; httpx's own five are short on a computer that is full of clients
RATERS = 50
LEAVERS = 10
RATING_SECONDS = 12  # of the class that rates while its server is killed


@dataclass(frozen=True)
class Wish:
    """What one user asks for."""

    prompt: str
    seed: int
    steps: int
    guidance_scale: float

    def inputs(self, model: str, images: int = 1) -> list:
        """As the endpoint /generate takes it."""
        return [
            self.prompt, "", model, images, self.guidance_scale, self.steps, self.seed, False,
            OWN_SCHEDULER,
        ]  # fmt: skip


class Server:
    """The app in a process of its own, on a port that stays the same when it starts again."""

    def __init__(self, folder: Path, model: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.ratings = folder / "ratings.sqlite"
        self.model = model
        self.address = f"http://127.0.0.1:{self.port}/"
        self.process: subprocess.Popen | None = None

    def start(self) -> float:
        """Seconds until it answers."""
        began = time.perf_counter()
        command = [sys.executable, "-m", "helpers", "app", "--models", self.model]
        command += ["--port", str(self.port), "--ratings", str(self.ratings)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while True:
            try:
                httpx.get(f"{self.address}config", timeout=5).raise_for_status()
                return time.perf_counter() - began
            except httpx.HTTPError:
                if self.process.poll() is not None:
                    raise SystemExit("the server ended before it answered") from None
                time.sleep(0.2)

    def kill(self) -> None:
        """As a power cut would: no clean-up."""
        self.process.kill()
        self.process.wait()

    def client(self) -> Client:
        return Client(
            self.address,
            verbose=False,
            analytics_enabled=False,
            httpx_kwargs={"timeout": PATIENCE},
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; else all")
    parser.add_argument("--users", type=int, default=30)
    parser.add_argument("--steps", type=int, default=15, help="the most that a user asks for")
    parser.add_argument("--model", default="stickers")
    options = parser.parse_args()
    parts = options.parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"PART must be one of {', '.join(PARTS)}; got {', '.join(unknown)}")
    wishes = [wish(number, options.steps) for number in range(options.users)]
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), options.model) as server:
        drawn = many_at_once(server, wishes) if "drawing" in parts else None
        if "leaving" in parts:
            clients_that_leave(server, wishes[0])
        if "rating" in parts:
            raters(server)
            restart(server)
        server.kill()  # so that the reference has the computer for itself
        if drawn:
            reference(options.model, wishes, *drawn)


@contextmanager
def running(folder: Path, model: str):
    server = Server(folder, model)
    print(f"server: answers after {server.start():.1f} s")
    try:
        yield server
    finally:
        server.kill()


def wish(number: int, most_steps: int) -> Wish:
    """Different settings for each user."""
    subject, colour = SUBJECTS[number % len(SUBJECTS)], COLOURS[number % len(COLOURS)]
    return Wish(
        f"a 3d sticker of a {subject} on a {colour} background",
        seed=100 + number,
        steps=max(10, most_steps - number % 3 * 2),
        guidance_scale=GUIDANCE[number % len(GUIDANCE)],
    )


def many_at_once(server: Server, wishes: list[Wish]) -> tuple[list[numpy.ndarray], float]:
    """All users ask at the same moment. Their pictures, and the seconds until the last was done."""
    clients = [server.client() for _ in wishes]
    waits: list[float] = [0.0] * len(wishes)
    pictures: list = [None] * len(wishes)

    def ask(number: int) -> None:
        began = time.perf_counter()
        asked = wishes[number].inputs(server.model)
        _, gallery, seed = clients[number].predict(*asked, api_name="/generate")
        waits[number] = time.perf_counter() - began
        assert seed == wishes[number].seed
        pictures[number] = numpy.asarray(Image.open(gallery[0]["image"])).astype(int)

    began = time.perf_counter()
    at_once(ask, len(wishes))
    seconds = time.perf_counter() - began
    print(
        f"{len(wishes)} users at once: {seconds:.1f} s in all, "
        f"median wait {statistics.median(waits):.1f} s, worst {max(waits):.1f} s"
    )
    return pictures, seconds


def reference(model: str, wishes: list[Wish], pictures: list, seconds: float) -> None:
    """The same pictures by `pipe()`, one after the other; they must be equal to one level."""
    pipe = load_pipeline(model)
    pipe("warm up", num_inference_steps=2)
    worst, alone = 0, 0.0
    for one, found in zip(wishes, pictures, strict=True):
        began = time.perf_counter()
        image = pipe(
            one.prompt,
            num_inference_steps=one.steps,
            guidance_scale=one.guidance_scale,
            generator=torch.Generator().manual_seed(one.seed),
        ).images[0]
        alone += time.perf_counter() - began
        worst = max(worst, abs(numpy.asarray(image).astype(int) - found).max())
    kept(worst <= 1, f"every picture is that of pipe(), to {worst} of 256 levels")
    print(
        f"one at a time by pipe(), no server: {alone:.1f} s; "
        f"the class had {len(wishes) / seconds:.2f} pictures a second, {alone / seconds:.2f} times "
        "as many"
    )


def clients_that_leave(server: Server, one: Wish) -> None:
    """Processes that ask for ten long pictures each and are killed; then somebody asks for one."""
    code = (
        "import sys; from gradio_client import Client\n"
        f"client = Client({server.address!r}, verbose=False, analytics_enabled=False,"
        f" httpx_kwargs={{'timeout': {PATIENCE}}})\n"
        f"job = client.submit(*{Wish('a fox', 1, 100, 7.5).inputs(server.model, 10)!r}, "
        "api_name='/generate')\n"
        "next(iter(job)); print('asked', flush=True); job.result()\n"
    )
    leavers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(LEAVERS)
    ]
    for leaver in leavers:
        assert leaver.stdout.readline().strip() == "asked"
    stays = server.client()
    for leaver in leavers:
        leaver.kill()
        leaver.wait()
    began = time.perf_counter()
    stays.predict(*one.inputs(server.model), api_name="/generate")
    first = time.perf_counter() - began
    began = time.perf_counter()
    stays.predict(*one.inputs(server.model), api_name="/generate")
    second = time.perf_counter() - began
    print(
        f"{LEAVERS} clients with {LEAVERS * 10} pictures of 100 steps are killed: the next user "
        f"waits {first:.1f} s, the one after {second:.1f} s"
    )
    kept(second < 10 * first + 5, "their places are free")


def raters(server: Server) -> None:
    """Fifty people rate one picture at the same moment."""
    first = server.client()
    first.predict(*wish(0, 10).inputs(server.model), api_name="/generate")
    send(first, MINE)
    clients = [server.client() for _ in range(RATERS)]
    for client in clients:
        client.predict(CLASS, api_name="/pictures")
    receipts: list[str] = []
    began = time.perf_counter()
    at_once(lambda number: receipts.append(send(clients[number], CLASS)), RATERS)
    seconds = time.perf_counter() - began
    stored = {rating.id for rating in Feedback(server.ratings).ratings()}
    kept(
        len(set(receipts)) == RATERS and set(receipts) <= stored and len(stored) == RATERS + 1,
        f"{RATERS} ratings sent at once are stored, in {seconds:.1f} s",
    )


def restart(server: Server) -> None:
    """A class rates on and on; in the middle the server is killed and started again."""
    before = {rating.id for rating in Feedback(server.ratings).ratings()}
    receipts: list[str] = []
    failed: list[Exception] = []
    ends = time.monotonic() + RATING_SECONDS
    back = threading.Event()

    def rate_on(number: int) -> None:
        client = None
        while time.monotonic() < ends or not back.is_set():
            try:
                if client is None:
                    client = server.client()
                    client.predict(CLASS, api_name="/pictures")
                receipts.append(send(client, CLASS))
            except Exception as error:  # the server is gone; the page would try again as well
                failed.append(error)
                client = None
                time.sleep(0.3)

    def kill_and_start() -> None:
        nonlocal ends
        time.sleep(RATING_SECONDS / 2)
        server.kill()
        print(f"restart: the server answers again after {server.start():.1f} s")
        ends = time.monotonic() + RATING_SECONDS / 2
        back.set()

    killer = threading.Thread(target=kill_and_start)
    killer.start()
    with redirect_stderr(io.StringIO()):  # gradio_client prints what breaks, and here all does
        at_once(rate_on, 10)
    killer.join()
    stored = {rating.id for rating in Feedback(server.ratings).ratings()}
    lost = set(receipts) - stored
    unconfirmed = len(stored - before - set(receipts))
    kept(
        not lost and failed,
        f"of {len(receipts)} ratings confirmed around the kill {len(lost)} are lost "
        f"({unconfirmed} were stored without the sender hearing of it)",
    )


def send(client: Client, which: str) -> str:
    """Rate picture 1; the receipt."""
    answer, _ = client.predict(which, 1, f"👍 {UP}", [], "a comment", "class", api_name="/rate")
    return answer.split('class="receipt">')[1].split("<")[0]


def at_once(work: Callable[[int], None], count: int) -> None:
    """`work(0)` to `work(count - 1)`, each in a thread, begun together; the first error again."""
    barrier, errors = threading.Barrier(count), []

    def one(number: int) -> None:
        try:
            barrier.wait()
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def kept(is_kept: bool, promise: str) -> None:
    """Print a promise that was kept; end with one that was not."""
    if not is_kept:
        raise SystemExit(f"NOT KEPT: {promise}")
    print(f"kept: {promise}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server ends as well
    main()

"""The app under a class: many at once, clients that leave, a server that is killed.

    python -m benchmarks.app_load
    python -m benchmarks.app_load drawing --users 10 --steps 10

Everything runs on this computer: a server as `python -m helpers app` starts it, and one
gradio_client a user. The promises are: each picture equals that of `pipe()` to one of 256 levels,
no confirmed rating is lost, whoever leaves frees the place. A broken promise ends the run with an
error; else the last thing printed is a table of Markdown with what was measured.
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
from helpers.app.limits import LIMITS
from helpers.app.pages.controls import NO_LORA, NO_STYLE, OWN_SCHEDULER
from helpers.app.pages.rate import CLASS, MINE, UP
from helpers.feedback.store import Feedback

SUBJECTS = ("fox", "owl", "robot", "cake", "car", "star", "tree", "whale", "house", "rose")
COLOURS = ("teal", "red", "yellow")
GUIDANCE = (1.0, 3.0, 5.0, 7.5)
PARTS = ("drawing", "leaving", "rating")
Row = tuple[str, str]  # of the table: what, and what was measured
PATIENCE = 300.0  # seconds; httpx's own five are short on a computer that is full of clients
LONG = (10, 100)  # pictures and steps that a client asks for before it leaves
RATING_SECONDS = 12  # of the class that rates while its server is killed
RATING_ON = 10  # people who rate on and on in that time


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
            self.prompt,
            "",
            NO_STYLE,
            model,
            NO_LORA,
            self.guidance_scale,
            self.steps,
            self.seed,
            OWN_SCHEDULER,
            images,
        ]


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
    options = parsed_options()
    parts = options.parts or list(PARTS)
    wishes = [wish(number, options.steps) for number in range(options.users)]
    table: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), options.model) as server:
        drawn = many_at_once(server, wishes) if "drawing" in parts else None
        if "leaving" in parts:
            table.append(clients_that_leave(server, options.leavers, wishes[0]))
        if "rating" in parts:
            table += [raters(server, options.raters), restart(server)]
        server.kill()  # so that the reference has the computer for itself
        if drawn:
            table = reference(options.model, wishes, drawn) + table
    print("", "| what | measured |", "| --- | --- |", sep="\n")
    print(*(f"| {what} | {measured} |" for what, measured in table), sep="\n")


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; else all")
    parser.add_argument("--users", type=int, default=30, help="who draw at once (%(default)s)")
    parser.add_argument(
        "--steps", type=int, default=15, help="the most that a user asks for (%(default)s)"
    )
    parser.add_argument("--leavers", type=int, default=10, help="who leave (%(default)s)")
    parser.add_argument("--raters", type=int, default=50, help="who rate at once (%(default)s)")
    parser.add_argument("--model", default="stickers")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"PART must be one of {', '.join(PARTS)}; got {', '.join(unknown)}")
    least, most = LIMITS.num_inference_steps
    if not least <= options.steps <= most:
        parser.error(f"--steps must be from {least} to {most}, as the app has it")
    for name in ("users", "leavers", "raters"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be 1 or more; got {getattr(options, name)}")
    return options


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
        steps=max(LIMITS.num_inference_steps[0], most_steps - number % 3 * 2),
        guidance_scale=GUIDANCE[number % len(GUIDANCE)],
    )


@dataclass(frozen=True)
class Drawn:
    """What many users got: their pictures, how long each waited, and all of them."""

    pictures: list[numpy.ndarray]
    waits: list[float]
    seconds: float


def many_at_once(server: Server, wishes: list[Wish]) -> Drawn:
    """All users ask at the same moment."""
    clients = [server.client() for _ in wishes]
    waits: list[float] = [0.0] * len(wishes)
    pictures: list = [None] * len(wishes)

    def ask(number: int) -> None:
        began = time.perf_counter()
        asked = wishes[number].inputs(server.model)
        *_, [one] = clients[number].predict(*asked, api_name="/generate")
        content = httpx.get(server.address + one["url"].lstrip("/"), timeout=PATIENCE).content
        waits[number] = time.perf_counter() - began
        assert one["settings"]["seed"] == wishes[number].seed
        pictures[number] = numpy.asarray(Image.open(io.BytesIO(content))).astype(int)

    began = time.perf_counter()
    at_once(ask, len(wishes))
    seconds = time.perf_counter() - began
    print(f"{len(wishes)} users at once: {seconds:.1f} s in all, {told_waits(waits)}")
    return Drawn(pictures, waits, seconds)


def reference(model: str, wishes: list[Wish], drawn: Drawn) -> list[Row]:
    """The same pictures by `pipe()`, one after the other; they must be equal to one level."""
    pipe = load_pipeline(model)
    pipe("warm up", num_inference_steps=2)
    worst, waits, began = 0, [], time.perf_counter()
    for one, found in zip(wishes, drawn.pictures, strict=True):
        image = pipe(
            one.prompt,
            num_inference_steps=one.steps,
            guidance_scale=one.guidance_scale,
            generator=torch.Generator().manual_seed(one.seed),
        ).images[0]
        waits.append(time.perf_counter() - began)
        worst = max(worst, abs(numpy.asarray(image).astype(int) - found).max())
    kept(worst <= 1, f"every picture is that of pipe(), to {worst} of 256 levels")
    count, alone = len(wishes), waits[-1]
    return [
        (
            f"{count} users ask the app at once, each for a picture with settings of its own",
            f"{drawn.seconds:.1f} s in all, {count / drawn.seconds:.2f} pictures a second; "
            f"{told_waits(drawn.waits)}",
        ),
        (
            "the same pictures one at a time by `pipe()`, with neither page nor queue",
            f"{alone:.1f} s, {count / alone:.2f} pictures a second; {told_waits(waits)}: "
            f"the app is {alone / drawn.seconds:.2f} times as fast",
        ),
        ("how far the two differ", f"by at most {worst} of 256 levels in any pixel"),
    ]


def told_waits(waits: list[float]) -> str:
    return f"median wait {statistics.median(waits):.1f} s, worst {max(waits):.1f} s"


def clients_that_leave(server: Server, count: int, one: Wish) -> Row:
    """Processes that ask for many long pictures and are killed; then somebody asks for one."""
    images, steps = LONG
    code = (
        "import sys; from gradio_client import Client\n"
        f"client = Client({server.address!r}, verbose=False, analytics_enabled=False,"
        f" httpx_kwargs={{'timeout': {PATIENCE}}})\n"
        f"job = client.submit(*{Wish('a fox', 1, steps, 7.5).inputs(server.model, images)!r}, "
        "api_name='/generate')\n"
        "next(iter(job)); print('asked', flush=True); job.result()\n"
    )
    leavers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for leaver in leavers:
        assert leaver.stdout.readline().strip() == "asked"
    stays, waits = server.client(), []
    for leaver in leavers:
        leaver.kill()
        leaver.wait()
    for _ in range(2):
        began = time.perf_counter()
        stays.predict(*one.inputs(server.model), api_name="/generate")
        waits.append(time.perf_counter() - began)
    first, second = waits
    kept(first < 5 * second + 10, "the places of those who left are free")
    return (
        f"{count} users, each with {images} pictures of {steps} steps, leave in the middle",
        f"the next user waits {first:.1f} s, the one after {second:.1f} s",
    )


def raters(server: Server, count: int) -> Row:
    """Many people rate one picture at the same moment."""
    first = server.client()
    *_, [one] = first.predict(*wish(0, 10).inputs(server.model), api_name="/generate")
    send(first, MINE, one["id"])
    [shared] = first.predict(CLASS, api_name="/pictures")
    clients = [server.client() for _ in range(count)]
    receipts: list[str] = []
    began = time.perf_counter()
    at_once(lambda number: receipts.append(send(clients[number], CLASS, shared["id"])), count)
    seconds = time.perf_counter() - began
    stored = {rating.id for rating in Feedback(server.ratings).ratings()}
    kept(
        len(set(receipts)) == count and set(receipts) <= stored and len(stored) == count + 1,
        f"{count} ratings sent at once are stored",
    )
    return f"{count} users rate at once", f"all are stored, in {seconds:.1f} s"


def restart(server: Server) -> Row:
    """A class rates on and on; in the middle the server is killed and started again."""
    before = {rating.id for rating in Feedback(server.ratings).ratings()}
    receipts: list[str] = []
    failed: list[Exception] = []
    ends = time.monotonic() + RATING_SECONDS
    away, back = 0.0, threading.Event()

    def rate_on(number: int) -> None:
        while time.monotonic() < ends or not back.is_set():
            try:
                # A new visitor each time: of one, each vote would replace the one before.
                client = server.client()
                [shared] = client.predict(CLASS, api_name="/pictures")
                receipts.append(send(client, CLASS, shared["id"]))
            except Exception as error:  # the server is gone; the page would try again as well
                failed.append(error)
                time.sleep(0.3)

    def kill_and_start() -> None:
        nonlocal ends, away
        time.sleep(RATING_SECONDS / 2)
        server.kill()
        away = server.start()
        ends = time.monotonic() + RATING_SECONDS / 2
        back.set()

    killer = threading.Thread(target=kill_and_start)
    killer.start()
    with redirect_stderr(io.StringIO()):  # gradio_client prints what breaks, and here all does
        at_once(rate_on, RATING_ON)
    killer.join()
    stored = {rating.id for rating in Feedback(server.ratings).ratings()}
    lost = set(receipts) - stored
    unheard = len(stored - before - set(receipts))
    kept(not lost and failed, f"none of {len(receipts)} confirmed ratings is lost")
    return (
        f"the server is killed while {RATING_ON} users rate, and started again",
        f"it answers after {away:.1f} s; of {len(receipts)} confirmed ratings none is lost "
        f"({unheard} more were stored, and the connection broke before the sender heard of it)",
    )


def send(client: Client, which: str, picture: str) -> str:
    """Rate a picture; the receipt."""
    answer, *_ = client.predict(which, picture, UP, [], "a comment", "class", api_name="/rate")
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

"""The face service under a class: many clients at once, each with calls of its own.

    python -m benchmarks.faces_load
    python -m benchmarks.faces_load --clients 30 --calls 10 --size 128

Everything runs on this computer: the service as `python -m helpers faces` starts it, and one thread
a client that calls `improve_face` again and again, in each of the two languages. Each client sends
pictures of its own and compares what comes back with what the network makes of them here: an answer
that is lost, or another client's, ends the run with an error.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from PIL import Image

from helpers.faces.client.errors import FaceServiceError
from helpers.faces.client.improve import improve_face
from helpers.faces.restorer import Restorer

LANGUAGES = {"modern": "", "classic": "/api/predict"}  # what the url has at its end
SECONDS_TO_START = 240
TIMEOUT = 300  # of a call: how long a class waits is what is measured
ALLOWED = 1  # of 255 levels, between two processes
FACTOR = 2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faces_load", description=__doc__)
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--calls", type=int, default=10, help="of each client, one after another")
    parser.add_argument("--size", type=int, default=128, help="of the pictures, in pixels")
    chosen = parser.parse_args()
    pictures = [picture(number, chosen.size) for number in range(chosen.clients)]
    restorer = Restorer.from_pretrained()
    expected = [restorer.improve(image, FACTOR) for image in pictures]
    print(
        f"{chosen.clients} clients at once, {chosen.calls} calls each, {chosen.size} x "
        f"{chosen.size} pixels, factor {FACTOR}, {os.cpu_count()} processors for clients and "
        "service together\n\n"
        "| language | calls | right | lost | calls a second | median | 95 % | slowest |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    lost = 0
    with service() as url:
        for language, path in LANGUAGES.items():
            lost += measure(language, url + path, pictures, expected, chosen.calls)
    if lost:
        sys.exit(f"{lost} calls were lost")


def picture(number: int, size: int) -> Image.Image:
    """A picture that no other client has."""
    gradient = Image.linear_gradient("L").resize((size, size)).rotate(7 * number)
    channels = [gradient, gradient.point(lambda level: level * number % 256), gradient]
    return Image.merge("RGB", channels)


@contextmanager
def service() -> Iterator[str]:
    """The class's face service in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "helpers", "faces", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + SECONDS_TO_START
        while not answers(url):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit("the face service did not start")
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/about", timeout=5).ok
    except requests.RequestException:
        return False


def measure(
    language: str,
    url: str,
    pictures: list[Image.Image],
    expected: list[Image.Image],
    calls: int,
) -> int:
    """Print a line of the table; the number of calls that were lost."""
    seconds: list[float] = []
    faults: list[str] = []
    together = threading.Barrier(len(pictures))

    def work(image: Image.Image, wanted: Image.Image) -> None:
        together.wait()
        for _ in range(calls):
            began = time.perf_counter()
            try:
                improved = improve_face(image, FACTOR, url=url, timeout=TIMEOUT)
            except FaceServiceError as error:
                faults.append(error.what)
                continue
            if is_same(improved, wanted):
                seconds.append(time.perf_counter() - began)
            else:
                faults.append("another picture came back")

    improve_face(pictures[0], FACTOR, url=url, timeout=TIMEOUT)  # the first call pays for others
    clients = [
        threading.Thread(target=work, args=pair) for pair in zip(pictures, expected, strict=True)
    ]
    began = time.perf_counter()
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    took = time.perf_counter() - began
    total = len(pictures) * calls
    ordered = sorted(seconds) or [float("nan")]
    print(
        f"| {language} | {total} | {len(seconds)} | {len(faults)} | {total / took:.1f} "
        f"| {statistics.median(ordered):.2f} s | {ordered[int(0.95 * (len(ordered) - 1))]:.2f} s "
        f"| {ordered[-1]:.2f} s |",
        flush=True,
    )
    for fault in sorted(set(faults)):
        print(f"    {faults.count(fault)} x {fault}", file=sys.stderr)
    return total - len(seconds)


def is_same(image: Image.Image, wanted: Image.Image) -> bool:
    """Whether two pictures differ by no more than rounding does."""
    if image.size != wanted.size:
        return False
    pairs = zip(image.tobytes(), wanted.tobytes(), strict=True)
    return all(abs(one - other) <= ALLOWED for one, other in pairs)


if __name__ == "__main__":
    main()

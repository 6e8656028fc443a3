"""What the environment has to say so that a page can be served on this computer, and reached.

`import helpers` sees to it, because lessons call Gradio directly, and Gradio looks at the
environment when it is imported and when it is used.
"""

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

OWN_ADDRESSES = ("localhost", "127.0.0.1", "::1")
UPLOADS = "GRADIO_TEMP_DIR"


def reach_own_addresses_directly() -> None:
    """Add this computer's own addresses to `no_proxy` where the environment names a proxy.

    A proxy knows another computer by these addresses, so Gradio would not find its own server.
    Without a proxy nothing is added: a lone `no_proxy` hides the system's settings from Python.
    Where these name a proxy, it is told to the environment first, since httpx, by which Gradio
    looks for its server, does not read which addresses the system excepts.
    """
    named = {name.lower() for name, value in os.environ.items() if value}
    if not any(name.endswith("_proxy") for name in named - {"no_proxy"}):
        proxies = system_proxies()
        if not proxies:
            return
        os.environ.update({f"{scheme}_proxy": address for scheme, address in proxies.items()})
    direct = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    hosts = [host.strip() for host in direct.split(",") if host.strip()]
    if "*" in hosts:
        return
    hosts += [address for address in OWN_ADDRESSES if address not in hosts]
    # Libraries differ in which of the two they read.
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(hosts)


def system_proxies() -> dict[str, str]:
    """Of the settings of Windows or macOS, the address by scheme; other systems have none."""
    if sys.platform not in ("win32", "darwin"):
        return {}
    from urllib.request import getproxies  # it is slow to import

    return getproxies()


def keep_uploads_apart() -> None:
    """Let Gradio keep its files in a folder of this user, unless GRADIO_TEMP_DIR names one.

    Gradio's own choice, /tmp/gradio, belongs to whoever of a shared computer used it first: for
    everybody else nothing starts. And only its owner can look into ours. Windows gives every user
    a temporary folder anyway.
    """
    if os.environ.get(UPLOADS) or not hasattr(os, "getuid"):
        return
    with suppress(OSError):  # Gradio says in its own words what is wrong with the disk
        folder = Path(tempfile.gettempdir()) / f"gradio-{os.getuid()}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            folder = tempfile.mkdtemp(prefix="gradio-")  # somebody else took the name
        os.environ[UPLOADS] = str(folder)

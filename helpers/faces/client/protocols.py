"""What is said to a face service, in the two languages of Gradio.

    endpoint = discover(connection, url)      # asks the server for its /config, once
    image = endpoint.improve(connection, image, factor)

*classic*: Gradio 2 and 3, the GFP-GAN demos' own. One POST, pictures as base64 inside the JSON.
*modern*: Gradio 4 and later. Upload the file, call, follow the events, fetch the result.

A Gradio app tells in its /config which endpoints it has, what each takes and gives, and the
defaults: so that of Xintao/GFPGAN (image, version, scale) is called as well as our own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin

from PIL import Image

from helpers.faces.client.connection import Connection, parse_json, refusal, shown
from helpers.faces.client.errors import FaceServiceError
from helpers.pictures.encoded import MEGAPIXEL, from_base64, from_bytes, to_data_url, to_png

MAX_PIXELS = 50 * MEGAPIXEL
"""Of a result. A portrait of 1024 x 1024 pixels has 17 megapixels at factor 4."""

SLIDER = "imageslider"  # before and after, side by side
PICTURES = ("image", SLIDER, "gallery", "file")  # component types that can hold the result
FILE_ROUTE = "/file="  # before a path, in the address of a file that a Gradio app serves
NUMBERS = ("number", "slider", "radio", "dropdown")  # those that can hold the factor
FACTOR = re.compile(r"factor|scale|scaling|upscal|times", re.I)
API_PATH = re.compile(
    r"^(?P<base>.*?)(?P<prefix>/gradio_api)?/(?P<kind>api|run|call)/(?P<name>[\w-]+)$"
)
PREFERRED = ("predict", "inference", "improve")  # where an app has several for a picture

_BAD_RESULT = (
    "Try again. If it happens each time, this service does not do what the course needs: take "
    "another url."
)


@dataclass(frozen=True)
class Argument:
    """One input of an endpoint: "image", "factor", or "other", which gets its default."""

    kind: str
    default: object = None
    choices: tuple = ()


@dataclass(frozen=True)
class Endpoint:
    """How to call one service.

    Attributes:
        base: The app's address, without a slash at the end.
        prefix: What its API's addresses begin with; "/gradio_api" since Gradio 5.
        name: The endpoint's name.
        is_classic: Which of the two languages it speaks.
        arguments: What it takes, in order.
        output: Which of its results is the picture.
        is_pair: Whether that result is two pictures, the original and the improved one.
    """

    base: str
    prefix: str
    name: str
    is_classic: bool
    arguments: tuple[Argument, ...]
    output: int
    is_pair: bool = False

    def improve(self, connection: Connection, image: Image.Image, factor: int) -> Image.Image:
        """Send a picture, get the improved one; every fault is a `FaceServiceError`."""
        results = self._call_classic if self.is_classic else self._call_modern
        found = results(connection, image, factor)
        if not isinstance(found, list) or len(found) <= self.output:
            raise FaceServiceError(
                f"The answer holds no picture: {shown(found)}.", "server", _BAD_RESULT
            )
        return self._picture(connection, found[self.output])

    def _call_classic(self, connection: Connection, image: Image.Image, factor: int) -> object:
        connection.doing = "waiting for the result"
        data = self._data(to_data_url(image), factor)
        url = f"{self.base}/api/{self.name}"
        reply = connection.request("POST", url, repeatable=False, json={"data": data})
        if reply.status != 200:
            raise refusal(reply)
        return _entry(reply.json(), "data")

    def _call_modern(self, connection: Connection, image: Image.Image, factor: int) -> object:
        connection.doing = "uploading the picture"
        api = f"{self.base}{self.prefix}"
        file = {"files": ("picture.png", to_png(image), "image/png")}
        reply = connection.request("POST", f"{api}/upload", repeatable=True, files=file)
        if reply.status != 200:
            raise refusal(reply)
        stored = reply.json()
        if not (isinstance(stored, list) and stored and isinstance(stored[0], str)):
            raise FaceServiceError(
                f"The server did not say where it put the upload: {shown(stored)}.",
                "server",
                _BAD_RESULT,
            )
        upload = {"path": stored[0], "meta": {"_type": "gradio.FileData"}}
        connection.doing = "placing the call"
        call = f"{api}/call/{self.name}"
        reply = connection.request(
            "POST", call, repeatable=False, json={"data": self._data(upload, factor)}
        )
        if reply.status != 200:
            raise refusal(reply)
        event = _entry(reply.json(), "event_id")
        connection.doing = "waiting for the result"
        with connection.stream(f"{call}/{quote(str(event), safe='')}") as lines:
            return _result(_events(lines))

    def _data(self, picture: object, factor: int) -> list:
        def value(argument: Argument) -> object:
            if argument.kind == "image":
                return picture
            return _factor(argument, factor) if argument.kind == "factor" else argument.default

        return [value(argument) for argument in self.arguments]

    def _picture(self, connection: Connection, result: object) -> Image.Image:
        connection.doing = "fetching the improved picture"
        source, is_file = _source(result, self.is_pair)
        try:
            if is_file:
                return from_bytes(self._file(connection, source), MAX_PIXELS)
            return from_base64(source, MAX_PIXELS)
        except ValueError as error:
            raise FaceServiceError(
                f"What the server sent as the improved picture {shown(error)}.",
                "server",
                _BAD_RESULT,
            ) from error

    def _file(self, connection: Connection, source: str) -> bytes:
        """Fetch a result that is kept as a file: its path on the server, or its address.

        A server behind another one may not know its own address, or whether it is called by https.
        So what it serves as a file is asked for where the call was made.
        """
        path = unquote(source.partition(FILE_ROUTE)[2]) if "://" in source else source
        if path:
            url = f"{self.base}{self.prefix}{FILE_ROUTE}{quote(path, safe='/:')}"
        else:
            url = urljoin(f"{self.base}/", source)
        if not connection.is_home(url):
            raise FaceServiceError(
                f"The server {connection.origin} says that the improved picture is elsewhere: "
                f"{shown(source)}. Nothing was fetched from there.",
                "server",
                "A service gives its results from its own address. Take another url.",
            )
        reply = connection.request("GET", url, repeatable=True)
        if reply.status != 200:
            raise refusal(reply)
        return reply.body


# --- Finding out ---------------------------------------------------------------------------------


def discover(connection: Connection, url: str) -> Endpoint:
    """Find out how the service at an address wants to be called.

    `url` is a Gradio app's page, or one endpoint: `…/api/predict`, `…/run/predict`,
    `…/gradio_api/call/predict`. Raises `FaceServiceError` if it is missing.
    """
    connection.doing = "asking the server what it offers"
    bare = url.split("?")[0].split("#")[0].rstrip("/")
    asked = API_PATH.fullmatch(bare)
    base, name = (asked["base"], asked["name"]) if asked else (bare, None)
    wants_classic = asked is not None and asked["kind"] in ("api", "run")
    reply = connection.request("GET", f"{base}/config", repeatable=True)
    if wants_classic and not _speaks_classic(reply):
        if reply.status in (429, 502, 503, 504):
            raise refusal(reply)
        # The address itself says how to speak, and other servers than Gradio have it too.
        arguments = (Argument("image"), Argument("factor"))
        return Endpoint(base, "", name, True, arguments, output=0)
    if reply.status != 200:
        raise refusal(reply)
    # A redirect may have led to https, or to another folder.
    return _from_config(reply.url.removesuffix("/config"), reply.json(), name)


def _speaks_classic(reply: object) -> bool:
    try:
        return reply.status == 200 and _generation(reply.json()) < 4
    except FaceServiceError:
        return False


def _generation(config: object) -> int:
    """The first number of the Gradio version."""
    found = re.match(r"\d{1,3}", str(_entry(config, "version")))
    if not found:
        raise _no_app(f"its version is {shown(config['version'], 40)}")
    return int(found[0])


def _from_config(base: str, config: object, name: str | None) -> Endpoint:
    is_classic = _generation(config) < 4
    try:
        components = {component["id"]: component for component in config["components"]}
        offered = {}
        for dependency in config["dependencies"]:
            takes = [components[number] for number in dependency["inputs"]]
            gives = [components[number]["type"] for number in dependency["outputs"]]
            has_pictures = any(c["type"] == "image" for c in takes) and set(gives) & set(PICTURES)
            if isinstance(dependency.get("api_name"), str) and has_pictures:
                offered[dependency["api_name"].strip("/")] = takes, gives
        chosen = _chosen(list(offered), name)
        takes, gives = offered[chosen]
        arguments = _arguments(takes, with_state=is_classic)
        output = min(range(len(gives)), key=lambda i: (PICTURES + (gives[i],)).index(gives[i]))
        prefix = config.get("api_prefix") or ""
        is_pair = gives[output] == SLIDER
        return Endpoint(base, str(prefix), chosen, is_classic, arguments, output, is_pair)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _no_app(f"its /config is unlike Gradio's ({shown(repr(error), 60)})") from error


def _chosen(offered: list[str], name: str | None) -> str:
    if name is not None and name not in offered:
        raise FaceServiceError(
            f"The app has no endpoint {name!r} for a picture; it offers: "
            f"{', '.join(offered) or 'none'}.",
            "yours",
            "Pass the app's address as url, or that of an endpoint it offers.",
        )
    if not offered:
        raise _no_app("none of its endpoints takes a picture and gives one")
    return name or next((p for p in PREFERRED if p in offered), offered[0])


def _arguments(components: list[dict], with_state: bool) -> tuple[Argument, ...]:
    """What an endpoint takes, by the types and labels of its inputs. The first picture is ours."""
    if not with_state:  # Gradio 4 and later fill it in themselves
        components = [component for component in components if component["type"] != "state"]
    types = [component["type"] for component in components]
    numbers = [i for i, type_ in enumerate(types) if type_ in NUMBERS]
    labelled = [i for i in numbers if FACTOR.search(str(components[i]["props"].get("label", "")))]
    factors = labelled or [i for i in numbers if types[i] in ("number", "slider")]
    kinds = {types.index("image"): "image", **{i: "factor" for i in factors[:1]}}
    return tuple(
        Argument(
            kinds.get(i, "other"),
            component["props"].get("value"),
            tuple(map(_choice, component["props"].get("choices") or ())),
        )
        for i, component in enumerate(components)
    )


def _choice(choice: object) -> object:
    """What a choice stands for: Gradio 4 and later write (name, value)."""
    return choice[1] if isinstance(choice, list | tuple) else choice


def _factor(argument: Argument, factor: int) -> object:
    """The factor in the form that the app has for it."""
    if not argument.choices:
        return factor
    for choice in argument.choices:
        if re.fullmatch(rf"x?{factor}(\.0)?x?", str(choice).strip().lower()):
            return choice
    raise FaceServiceError(
        f"This service has no factor {factor}; it offers: "
        f"{', '.join(shown(choice, 20) for choice in argument.choices)}.",
        "yours",
        "Pass one of these as factor.",
    )


def _no_app(why: str) -> FaceServiceError:
    return FaceServiceError(
        f"The server answers, but it is no Gradio app that improves pictures: {why}.",
        "yours",
        "Check the url: open it in a browser and see whether a picture goes in and one comes out.",
    )


# --- Reading answers -----------------------------------------------------------------------------


def _entry(answer: object, name: str) -> object:
    """An entry of an answer that must be a JSON object."""
    if isinstance(answer, dict) and answer.get(name) is not None:
        return answer[name]
    if isinstance(answer, dict) and "error" in answer:
        raise _failed(answer["error"])
    raise FaceServiceError(f"The answer has no {name!r}: {shown(answer)}.", "server", _BAD_RESULT)


def _failed(reason: object) -> FaceServiceError:
    if isinstance(reason, dict):
        reason = reason.get("error")
    said = f'It says: "{shown(reason)}"' if reason else "It does not say why"
    return FaceServiceError(
        f"The service could not improve this picture. {said}.",
        "server",
        "If its words name the picture or the factor, change those. Else try once more; if it "
        "fails again, the service is broken: take another url.",
    )


def _events(lines: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    """Server-sent events: (name, data) of each."""
    name, data = "message", []
    for raw in lines:
        line = raw.rstrip(b"\r")
        field, _, value = line.partition(b":")
        if field == b"event":
            name = value.strip().decode("utf-8", "replace")
        elif field == b"data":
            data.append(value.removeprefix(b" "))
        elif not line and (data or name != "message"):
            yield name, b"\n".join(data)
            name, data = "message", []


def _result(events: Iterator[tuple[str, bytes]]) -> object:
    for name, data in events:
        if name == "complete":
            return parse_json(data, "The service completed the call with")
        if name == "error":
            raise _failed(parse_json(data, "The service reported an error with"))
    raise FaceServiceError(
        "The server ended the conversation without a result.",
        "server",
        "Try again. If it happens each time, the service loses its calls: take another url.",
    )


def _source(result: object, is_pair: bool = False) -> tuple[str, bool]:
    """Where the picture is in a result: base64, or a file on the server (then True)."""
    is_file = False
    while isinstance(result, list | dict) and result:
        if isinstance(result, list):  # a gallery, a picture with its caption, or before and after
            result, is_pair = result[-1 if is_pair else 0], False
        elif result.get("__type__") == "update":  # a component whose other properties change too
            result = result.get("value")
        else:
            keys = ("data", "image", "path", "url", "name")
            key = next((key for key in keys if result.get(key)), None)
            is_file = key in ("path", "url", "name")
            result = result.get(key)
    if isinstance(result, str) and result:
        return result, not result.startswith("data:") and (is_file or "://" in result)
    raise FaceServiceError(f"The answer holds no picture: {shown(result)}.", "server", _BAD_RESULT)

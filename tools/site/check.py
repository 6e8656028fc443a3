"""Read a built site: what would be loaded from elsewhere, which links lead nowhere, which pictures
have no alt text."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself, by tag and attribute. Links, which a reader clicks, are not.
FETCHED = {
    ("audio", "src"),
    ("embed", "src"),
    ("iframe", "src"),
    ("img", "src"),
    ("input", "src"),
    ("link", "href"),
    ("object", "data"),
    ("script", "src"),
    ("source", "src"),
    ("track", "src"),
    ("video", "src"),
    ("video", "poster"),
}
LINK_RELATIONS_NOT_FETCHED = {"author", "canonical", "help", "index", "next", "prev", "search"}
CSS_ADDRESS = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")
CLOSES = "#!"  # ipyplot's link that makes an enlarged picture small again: it leads nowhere


class Page(HTMLParser):
    """What one page fetches, links to, names, and shows without an alt text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self.undescribed: list[str] = []
        self._in_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.names |= {attributes[name] for name in ("id", "name") if name in attributes}
        relations = set(attributes.get("rel", "").split())
        if not (tag == "link" and relations & LINK_RELATIONS_NOT_FETCHED):
            self.fetched += [attributes[name] for name in attributes if (tag, name) in FETCHED]
        self.fetched += CSS_ADDRESS.findall(attributes.get("style", ""))
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag == "img" and not attributes.get("alt", "").strip():
            self.undescribed.append(attributes.get("src", "")[:80])
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.fetched += CSS_ADDRESS.findall(data)


def problems(site: Path) -> list[str]:
    """What is wrong with a built site, one sentence each."""
    pages = {
        path.resolve(): Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")
    }
    if not pages:
        return [f"there is no page in {site}"]
    found = []
    for path, page in sorted(pages.items()):
        where = path.relative_to(site.resolve()).as_posix()
        found += [
            f"{where} fetches {address}" for address in page.fetched if _is_elsewhere(address)
        ]
        found += [f"{where}: no alt text for {source}" for source in page.undescribed]
        addresses = [*page.links, *page.fetched]
        found += [
            f"{where}: {fault}" for address in addresses if (fault := _broken(address, path, pages))
        ]
    for style in sorted(site.rglob("*.css")):
        for address in CSS_ADDRESS.findall(style.read_text(encoding="utf-8")):
            found.append(f"{style.relative_to(site).as_posix()} fetches {address}")
    return found


def _is_elsewhere(address: str) -> bool:
    return bool(urlsplit(address).netloc)


def _broken(address: str, path: Path, pages: dict[Path, Page]) -> str:
    """What is wrong with an address within the site, or nothing."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or address == CLOSES:
        return ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return f"{address} leads nowhere"
    name = unquote(parts.fragment)
    if name and target in pages and name not in pages[target].names:
        return f"{address}: its page has no {name!r}"
    return ""

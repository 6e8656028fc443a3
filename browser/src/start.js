/**
 * The one script that pages name. It is no module, because a browser loads no module from a file on
 * the disk, and then somebody has to say so.
 */
(() => {
  const places = document.querySelectorAll("[data-live]");
  const modules = new URL("live.js", document.currentScript.src);
  if (location.protocol === "file:") {
    for (const place of places) {
      const note = document.createElement("p");
      note.className = "live-fault";
      note.textContent =
        "The model runs here when the page comes from a server, not from a file. In the site's " +
        "folder start one, python -m http.server, and open http://localhost:8000/.";
      place.append(note);
    }
    return;
  }
  import(modules.href).then((live) => live.bringToLife(places));
})();

// What the pages do in the browser, beside what Gradio does. No library, nothing from elsewhere.
(() => {
  "use strict";

  const NAMES = {improve: "Improve", change: "Change", rate: "Rate", seed: "Use this seed"};
  const PHONE = "(max-width: 640px)";
  const WAKES = 3;
  const WAKE_AFTER = 300; // milliseconds, in which Gradio opens the stream by itself

  // --- Keys

  // Ctrl+Enter presses the main button of the page, wherever the cursor is.
  function pressMain(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const page = [...document.querySelectorAll('[role="tabpanel"]')].find(e => e.checkVisibility());
    const button = page?.querySelector(".actions button.primary:not(:disabled)");
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    document.activeElement?.blur(); // a number that was typed counts when its field is left
    document.activeElement?.focus();
    button.click();
  }

  // The arrow keys go from tab to tab, as in every list of tabs.
  function moveBetweenTabs(event) {
    const tab = event.target.closest?.('[role="tab"]');
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!tab || !(step || ["Home", "End"].includes(event.key))) return;
    const list = tab.closest('[role="tablist"]');
    const tabs = [...list.querySelectorAll('[role="tab"]')].filter(e => e.checkVisibility());
    const to = event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1
      : (tabs.indexOf(tab) + step + tabs.length) % tabs.length;
    event.preventDefault();
    tabs[to].click();
    tabs[to].focus();
  }

  // --- A picture, large

  function openLarge(button) {
    const dialog = document.createElement("dialog");
    dialog.className = "viewer";
    dialog.setAttribute("aria-label", "The picture, large");
    const image = document.createElement("img");
    image.src = button.dataset.src;
    image.alt = button.querySelector("img").alt;
    const caption = document.createElement("p");
    caption.textContent = button.dataset.caption;
    const buttons = document.createElement("div");
    buttons.className = "buttons";
    for (const action of button.dataset.actions.split(" ").filter(name => name in NAMES)) {
      const one = document.createElement("button");
      one.type = "button";
      one.className = "button";
      one.textContent = NAMES[action];
      one.dataset.do = action;
      one.dataset.id = button.dataset.open;
      one.addEventListener("click", () => dialog.close());
      buttons.append(one);
    }
    if (button.dataset.download) {
      const link = document.createElement("a");
      link.className = "button";
      link.href = `${button.dataset.src}?download`;
      link.download = "";
      link.textContent = "Download";
      buttons.append(link);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.className = "button";
    close.textContent = "Close";
    close.addEventListener("click", () => dialog.close());
    buttons.append(close);
    dialog.append(image, caption, buttons);
    dialog.addEventListener("close", () => {
      // A click inside is still on its way to the document, which reads the button's data.
      setTimeout(() => dialog.remove());
      if (button.isConnected && button.checkVisibility()) button.focus();
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  // A picture is deleted by a second press, so that a slip of the finger deletes nothing.
  function askFirst(event) {
    const button = event.target.closest?.('[data-do="delete"]');
    if (!button) return;
    const asked = button.dataset.asks;
    button.dataset.asks = asked ? "no" : "yes";
    if (asked) return;
    const text = button.textContent;
    button.textContent = "Really delete?";
    button.setAttribute("aria-label", `Really delete? ${button.getAttribute("aria-label")}`);
    button.addEventListener("blur", () => {
      button.textContent = text;
      delete button.dataset.asks;
    }, {once: true});
  }

  // --- Problems are told at their field

  function markProblem(told) {
    const place = document.getElementById(told.dataset.field);
    const field = place?.querySelector("textarea, input, select");
    if (!field) return;
    const accordion = place.closest(".more")?.querySelector("button.label-wrap:not(.open)");
    accordion?.click();
    const id = `${told.dataset.field}-problem`;
    document.getElementById(id)?.remove();
    const copy = document.createElement("p");
    copy.id = id;
    copy.className = "problem at-field";
    copy.textContent = told.textContent;
    place.append(copy);
    for (const one of place.querySelectorAll("textarea, input, select")) {
      one.setAttribute("aria-invalid", "true");
      one.setAttribute("aria-describedby", id);
    }
    const clear = () => {
      copy.remove();
      for (const one of place.querySelectorAll("[aria-invalid]")) {
        one.removeAttribute("aria-invalid");
        one.removeAttribute("aria-describedby");
      }
    };
    place.addEventListener("input", clear, {once: true});
    goTo(field);
  }

  // The field's section may just be opening.
  function goTo(field, tries = 40) {
    if (field.checkVisibility()) {
      field.focus();
      field.scrollIntoView({block: "nearest"});
    } else if (tries) setTimeout(() => goTo(field, tries - 1), 50);
  }

  // --- Names and states that Gradio leaves out

  function name(root) {
    for (const set of root.querySelectorAll("fieldset:not([aria-labelledby])")) {
      const label = set.querySelector('[data-testid="block-info"]');
      if (!label) continue;
      label.id ||= `label-${Math.random().toString(36).slice(2)}`;
      set.setAttribute("aria-labelledby", label.id);
      if (set.querySelector('input[type="radio"]')) set.setAttribute("role", "radiogroup");
    }
    for (const button of root.querySelectorAll("button.label-wrap")) {
      const isOpen = String(button.classList.contains("open"));
      if (button.getAttribute("aria-expanded") !== isOpen)
        button.setAttribute("aria-expanded", isOpen);
    }
    for (const slider of root.querySelectorAll('input[type="range"]:not([aria-label])')) {
      const label = slider.closest(".block")?.querySelector('[data-testid="block-info"]');
      if (label) slider.setAttribute("aria-label", label.textContent.trim());
    }
    // What is read out must have the words that are seen (WCAG 2.2, 2.5.3).
    for (const button of root.querySelectorAll("button[aria-dropeffect][aria-label]"))
      button.removeAttribute("aria-label");
    for (const live of root.querySelectorAll(".live:not([aria-live])"))
      live.setAttribute("aria-live", "polite");
  }

  // Where Stop was pressed and has gone, the cursor goes to the button that draws.
  function keepFocus() {
    for (const stop of document.querySelectorAll("button.stop")) {
      const page = stop.closest('[role="tabpanel"]');
      const isDrawing = Boolean(page?.querySelector(".results progress"));
      if (stop.classList.contains("is-drawing") === isDrawing) continue;
      const had = document.activeElement === stop;
      stop.classList.toggle("is-drawing", isDrawing);
      if (had && !isDrawing) page.querySelector(".actions button.primary")?.focus();
    }
  }

  function look(changes) {
    name(document);
    keepFocus();
    for (const change of changes) {
      // Gradio changes an element in place where a new text is like the old one.
      if (change.attributeName === "data-told") markProblem(change.target);
      for (const node of change.addedNodes) {
        const told = node.matches?.(".problem[data-field]") ? node
          : node.querySelector?.(".problem[data-field]");
        if (told) markProblem(told);
      }
    }
  }

  // --- Results that would never come

  // Gradio sends all results of a page through one stream, and closes it when nothing is awaited.
  // What is asked for in just that moment is then awaited for ever, until something else opens the
  // stream again. So we note what is asked for and what is done, and press a button that does
  // nothing where the stream has ended too early: a few times, for what may come late or never.
  const awaited = new Map(); // for each event, how often it may still be woken for
  const fetchPlainly = window.fetch;

  async function follow(response) {
    try {
      const {event_id} = await response.json();
      if (event_id) awaited.set(event_id, WAKES);
    } catch { /* it was refused, or the page is being left */ }
  }

  async function listen(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        const lines = (text + part.value).split("\n");
        text = lines.pop();
        for (const line of lines.filter(line => line.includes('"process_completed"')))
          awaited.delete(JSON.parse(line.slice("data:".length)).event_id);
      }
    } catch { /* Gradio closed it */ }
    setTimeout(wake, WAKE_AFTER);
  }

  function wake() {
    if (!awaited.size) return;
    for (const [id, left] of awaited) left > 1 ? awaited.set(id, left - 1) : awaited.delete(id);
    document.querySelector("#wake")?.click();
  }

  window.fetch = async (...what) => {
    const response = await fetchPlainly(...what);
    const path = new URL(what[0].url ?? what[0], location.href).pathname;
    if (response.ok && path.endsWith("/queue/join")) follow(response.clone());
    if (response.ok && path.endsWith("/queue/data")) listen(response.clone());
    return response;
  };

  // On a phone only the prompt, the number and Draw are open at first.
  function closeMoreOnPhones(observer) {
    const more = document.querySelector(".more button.label-wrap");
    if (!more) return;
    if (matchMedia(PHONE).matches && more.classList.contains("open")) more.click();
    requestAnimationFrame(() => { // the page may not listen yet: then the next change tries again
      if (!matchMedia(PHONE).matches || !more.classList.contains("open")) observer.disconnect();
    });
  }

  document.addEventListener("keydown", pressMain, true);
  document.addEventListener("keydown", moveBetweenTabs);
  document.addEventListener("click", askFirst, true);
  document.addEventListener("click", event => {
    const button = event.target.closest?.("[data-open]");
    if (button) openLarge(button);
  });
  document.addEventListener("input", event => {
    const stack = event.target.closest?.(".compare");
    if (stack) stack.style.setProperty("--at", `${event.target.value}%`);
  });
  const start = () => {
    document.documentElement.lang = "en";
    new MutationObserver(look).observe(
      document.body,
      {childList: true, subtree: true, attributes: true, attributeFilter: ["class", "data-told"]},
    );
    const once = new MutationObserver(() => closeMoreOnPhones(once));
    once.observe(document.body, {childList: true, subtree: true});
  };
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();

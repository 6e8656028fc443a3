/** Making elements of a page. */

/**
 * @param {string} tag
 * @param {object} attributes `on…` names an event's listener; `false` and `null` leave one out
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A control under its label. */
export function labelled(text, control, ...more) {
  return element("label", { class: "live-field" }, element("span", {}, text), control, ...more);
}

/** A range with its value beside it, as `format` writes it; `onchange` gets each new value. */
export function slider({ label, min, max, step = 1, value, onchange, format = String }) {
  const shown = element("output", {}, format(value));
  const tell = () => {
    const now = Number(range.value);
    shown.textContent = format(now);
    range.setAttribute("aria-valuetext", format(now));
    onchange(now);
  };
  const range = element("input", { type: "range", min, max, step, value, oninput: tell });
  return { range, field: labelled(label, range, shown) };
}

// Arrow keys, space, Page up and down, Home, End and a swipe move; N shows the notes.
const slides = [...document.querySelectorAll("section")];

function current() {
  const number = Number(location.hash.slice(1)) || 1;
  return Math.min(Math.max(number, 1), slides.length);
}

function show() {
  slides.forEach((slide, index) => slide.classList.toggle("current", index + 1 === current()));
  document.getElementById("place").textContent = `${current()} / ${slides.length}`;
}

function go(number) {
  location.replace(`#${Math.min(Math.max(number, 1), slides.length)}`);
}

function toggleNotes() {
  const shown = document.body.classList.toggle("with-notes");
  document.getElementById("notes").setAttribute("aria-pressed", shown);
}

const KEYS = {
  ArrowRight: () => go(current() + 1), PageDown: () => go(current() + 1), " ": () => go(current() + 1),
  ArrowLeft: () => go(current() - 1), PageUp: () => go(current() - 1),
  Home: () => go(1), End: () => go(slides.length), n: toggleNotes, N: toggleNotes,
};

addEventListener("keydown", (event) => {
  const onButton = event.target.closest("button") && event.key === " ";
  if (!(event.key in KEYS) || onButton || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  KEYS[event.key]();
});

let start = null;
addEventListener("touchstart", (event) => { start = event.touches[0].clientX; });
addEventListener("touchend", (event) => {
  const moved = event.changedTouches[0].clientX - start;
  if (Math.abs(moved) > 60) go(current() - Math.sign(moved));
});

document.getElementById("back").addEventListener("click", () => go(current() - 1));
document.getElementById("on").addEventListener("click", () => go(current() + 1));
document.getElementById("notes").addEventListener("click", toggleNotes);
addEventListener("hashchange", show);
show();

// Arrow keys, space, Page up and down, Home, End and a swipe move; N shows the notes.
const SMALLEST = 0.6;
const slides = [...document.querySelectorAll("section")];

function current() {
  const number = Number(location.hash.slice(1)) || 1;
  return Math.min(Math.max(number, 1), slides.length);
}

function show() {
  slides.forEach((slide, index) => slide.classList.toggle("current", index + 1 === current()));
  document.getElementById("place").textContent = `${current()} / ${slides.length}`;
  fit();
}

// A slide that is too tall gets smaller letters and pictures, as long as they can still be read.
function fit() {
  const root = document.documentElement, slide = slides[current() - 1];
  for (let share = 1; share >= SMALLEST; share -= 0.05) {
    root.style.setProperty("--fit", share);
    if (slide.scrollHeight <= slide.clientHeight) return;
  }
  if (document.body.classList.contains("with-notes")) root.style.setProperty("--fit", 1);
}

function go(number) {
  location.replace(`#${Math.min(Math.max(number, 1), slides.length)}`);
}

function toggleNotes() {
  const shown = document.body.classList.toggle("with-notes");
  document.getElementById("notes").setAttribute("aria-pressed", shown);
  fit();
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
addEventListener("resize", fit);
show();

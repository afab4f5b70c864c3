// The original over its translation, divided by a line that a slider moves.

const result = document.getElementById("result");
const slider = document.getElementById("slider");

function moveLine() {
  result.style.setProperty("--at", `${slider.value}%`);
  slider.setAttribute("aria-valuetext", `${slider.value} % original`);
}

function compare(before, after, names) {
  draw(document.getElementById("before"), before);
  draw(document.getElementById("after"), after);
  const shown = Math.max(before.width, Math.min(512, 4 * before.width));
  result.style.setProperty("--width", `${shown}px`);
  result.style.setProperty("--ratio", `${before.width / before.height}`);
  document.getElementById("left").textContent = names[0];
  document.getElementById("right").textContent = names[1];
  result.hidden = false;
  moveLine();
}

slider.addEventListener("input", moveLine);

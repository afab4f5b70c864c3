// The original over its translation, divided by a line that a slider moves.

const stage = document.getElementById("stage");
const slider = document.getElementById("slider");

function moveLine() {
  stage.style.setProperty("--at", `${slider.value}%`);
  slider.setAttribute("aria-valuetext", `${slider.value} % original`);
}

function compare(before, after, names) {
  draw(document.getElementById("before"), before);
  draw(document.getElementById("after"), after);
  const shown = Math.max(before.width, Math.min(512, 4 * before.width));
  stage.style.setProperty("--width", `${shown}px`);
  stage.style.setProperty("--ratio", `${before.width / before.height}`);
  document.getElementById("left").textContent = names[0];
  document.getElementById("right").textContent = names[1];
  document.getElementById("result").hidden = false;
  moveLine();
}

slider.addEventListener("input", moveLine);

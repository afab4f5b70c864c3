"use strict";

// Step slider: the page contains every version of each changing picture, and initially shows the last one.
function setUpSlider() {
  const slider = document.getElementById("step");
  const data = document.getElementById("gallery");
  if (!slider || !data) return () => {};
  const { steps, times, cells } = JSON.parse(data.textContent);
  const elapsed = document.querySelector("[data-elapsed]");
  const output = document.querySelector(".time output");
  const play = document.querySelector("[data-play]");
  const pictures = [...document.querySelectorAll("img[data-cell]")].filter((image) => image.dataset.cell in cells);
  const sources = new Map(pictures.map((image) => [image, [...cells[image.dataset.cell], image.src]]));
  let timer = null;

  function show() {
    const index = Number(slider.value);
    for (const image of pictures) image.src = sources.get(image)[index];
    output.value = steps[index];
    elapsed.textContent = times[index];
    slider.setAttribute("aria-valuetext", `step ${steps[index]} ${times[index]}`);
    enlarge.refresh();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "\u25b6";
    play.setAttribute("aria-label", "Play");
  }

  slider.addEventListener("input", () => { stop(); show(); });
  play.addEventListener("click", () => {
    if (timer !== null) return stop();
    play.textContent = "\u275a\u275a";
    play.setAttribute("aria-label", "Pause");
    if (Number(slider.value) === steps.length - 1) slider.value = -1;
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (Number(slider.value) === steps.length - 1) stop();
    }, 450);
    slider.value = Math.max(0, Number(slider.value));
    show();
  });
  return (by) => { stop(); slider.value = Number(slider.value) + by; show(); };
}

// Enlarged view: the pictures of a row, as large as the window allows.
const enlarge = (() => {
  const dialog = document.getElementById("enlarged");
  const cells = dialog.querySelector(".cells");
  let entries = [];

  function open(row) {
    entries = [...row.querySelectorAll("img")].map((image) => {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      const copy = document.createElement("img");
      caption.textContent = image.dataset.title;
      copy.alt = image.alt;
      copy.className = image.className;
      figure.append(caption, copy);
      return { image, copy, figure };
    });
    dialog.querySelector("strong").textContent = row.title;
    cells.replaceChildren(...entries.map(({ figure }) => figure));
    refresh();
    dialog.showModal();
  }

  function refresh() {
    for (const { image, copy } of entries) copy.src = image.src;
  }

  for (const row of document.querySelectorAll("button.row")) row.addEventListener("click", () => open(row));
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return { refresh };
})();

// Chart pointer: shows the values at the pointer in the legend; arrow keys move it while the chart has the focus.
function setUpChart(figure) {
  const plot = figure.querySelector(".plot");
  const { x, y, lines } = JSON.parse(figure.querySelector("script").textContent);
  const [left, right, top, bottom] = ["left", "right", "top", "bottom"].map((side) => Number(plot.dataset[side]));
  const pointer = plot.querySelector(".pointer");
  const dots = [...pointer.querySelectorAll("circle")];
  const outputs = [...figure.querySelectorAll("output")];
  const initial = outputs.map((output) => output.value);
  const at = figure.querySelector(".at");
  const steps = [...new Set(lines.flatMap((line) => line.steps))].sort((left, right) => left - right);
  let index = null;

  const toX = (step) => left + (step - x.low) / (x.high - x.low) * (right - left);
  const scale = y.logarithmic ? Math.log : (value) => value;
  const toY = (value) => bottom - (scale(value) - scale(y.low)) / (scale(y.high) - scale(y.low)) * (bottom - top);

  function show(step) {
    pointer.setAttribute("visibility", "visible");
    pointer.querySelector("path").setAttribute("d", `M${toX(step)} ${top}V${bottom}`);
    at.textContent = `step ${step}`;
    lines.forEach((line, number) => {
      const value = line.values[line.steps.indexOf(step)];
      const known = typeof value === "number";
      outputs[number].value = known ? String(value) : value === null ? "not finite" : "-";
      dots[number].setAttribute("visibility", known ? "inherit" : "hidden");
      if (known) { dots[number].setAttribute("cx", toX(step)); dots[number].setAttribute("cy", toY(value)); }
    });
  }

  function hide() {
    index = null;
    pointer.setAttribute("visibility", "hidden");
    at.textContent = "";
    outputs.forEach((output, number) => { output.value = initial[number]; });
  }

  function followPointer(event) {
    const box = plot.getBoundingClientRect();
    const inside = (event.clientX - box.left) / box.width * plot.viewBox.baseVal.width;
    const step = x.low + (inside - left) / (right - left) * (x.high - x.low);
    index = steps.reduce((best, candidate, i) => Math.abs(candidate - step) < Math.abs(steps[best] - step) ? i : best, 0);
    show(steps[index]);
  }

  plot.addEventListener("pointermove", followPointer);
  plot.addEventListener("pointerdown", followPointer);
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    index = Math.min(steps.length - 1, Math.max(0, index === null ? steps.length - 1 : index + by));
    show(steps[index]);
  });
}

// Copy button: if the browser denies clipboard access, selects the text instead.
async function copy(button) {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  } catch {
    getSelection().selectAllChildren(code);
  }
}

// The page of a run that trains renews itself, unless somebody is looking at an earlier step or an enlarged picture.
const RENEW_EVERY = 15000;

function isInUse() {
  const slider = document.getElementById("step");
  return document.body.dataset.used || document.querySelector("dialog[open]") || (slider && slider.value !== slider.max);
}

if (document.body.dataset.state === "running") {
  setInterval(() => { if (!document.hidden && !isInUse()) location.reload(); }, RENEW_EVERY);
}

const moveSlider = setUpSlider();
document.querySelectorAll("figure.chart").forEach(setUpChart);
document.querySelectorAll("[data-copy]").forEach((button) => button.addEventListener("click", () => copy(button)));
document.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const inControl = event.target.matches("input, textarea, pre, select");
  if (by && !inControl && !event.altKey && !event.ctrlKey && !event.metaKey) { event.preventDefault(); moveSlider(by); }
});

// The page: images come in, are translated one after the other, and the chosen one is shown.

const translator = new Translator();
const images = [];
let facts = null;
let direction = null;
let chosen = null;
let isWorking = false;

const byId = (id) => document.getElementById(id);

function say(text, isError = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("error", isError);
}

// Results are kept for each direction, scale and size.
function settingsKey() {
  return [direction.direction, byId("scale").value, byId("size").value].join(" ");
}

function sizesOf(pixels) {
  const factors = byId("scale").value === "trained" ? direction.scale : [1, 1];
  const seen = [pixels.height * factors[0], pixels.width * factors[1]].map((side) => Math.max(1, Math.round(side)));
  return { seen, result: byId("size").value === "own" ? [pixels.height, pixels.width] : seen };
}

function add(files) {
  const added = [...files].map((file) => ({ file, name: file.name || "pasted.png", results: new Map(), note: "" }));
  if (!added.length) return say("There is no image file in what was dropped or pasted.");
  for (const image of added) {
    image.button = element("button", image.name);
    image.button.type = "button";
    image.state = element("span", "waiting", "state");
    image.button.append(image.state);
    image.button.addEventListener("click", () => choose(image));
    const item = element("li");
    item.append(image.button);
    byId("images").append(item);
  }
  images.push(...added);
  choose(added[0]);
}

function choose(image) {
  chosen = image;
  for (const { button } of images) button.setAttribute("aria-current", String(button === image.button));
  refresh();
}

// Show what there is of the chosen image, and translate what is missing: the chosen image first.
function refresh() {
  if (chosen?.results.has(settingsKey())) showResult(chosen);
  else byId("result").hidden = true;
  if (!isWorking) work();
}

function next() {
  const isMissing = (image) => !image.results.has(settingsKey()) && image.failed !== settingsKey();
  return chosen && isMissing(chosen) ? chosen : images.find(isMissing);
}

async function work() {
  isWorking = true;
  let image;
  let failure = "";
  while ((image = next())) {
    const key = settingsKey();
    try {
      byId("working").hidden = false;
      image.results.set(key, await translate(image, key));
      image.state.textContent = "done";
      image.state.classList.remove("error");
      sayDone(image, key);
    } catch (error) {
      const isError = !(error instanceof Cancelled);
      image.failed = key;
      image.state.textContent = isError ? "failed" : "cancelled";
      image.state.classList.toggle("error", isError);
      failure = isError ? `${image.name}: ${error.message}` : "";
      say(failure || `${image.name}: cancelled`, isError);
    }
    if (image === chosen && key === settingsKey() && image.results.has(key)) await showResult(image);
  }
  byId("working").hidden = true;
  isWorking = false;
  // The last image that was translated may not be the one that is shown.
  if (!failure && chosen?.results.has(settingsKey())) sayDone(chosen, settingsKey());
}

async function translate(image, key) {
  report(image, null, "reading");
  const pixels = await readPixels(image.file);
  const isAnimated = (await countFrames(image.file)) > 1;
  if (image.failed === key) throw new Cancelled();
  image.note = [
    isAnimated ? "Only the first frame of the animation is translated." : "",
    byId("scale").value === "own" ? scaleNote(pixels) : "",
  ].join(" ");
  const start = performance.now();
  const made = await translator.translate(pixels, direction, sizesOf(pixels), (...now) => report(image, ...now));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const device = { wasm: "WebAssembly", webgpu: "WebGPU" }[translator.device];
  return { blob: await toPng(made), seconds, device, width: made.width, height: made.height, names: direction.names };
}

function report(image, share, what) {
  const bar = byId("progress");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
  const percent = share === null ? "" : ` ${Math.floor(100 * share)} %`;
  image.state.textContent = what + percent;
  say(`${image.name}: ${what}${share === null ? "" : ` ${10 * Math.floor(10 * share)} %`}`);
}

// Say if training saw such images at quite another scale. An image of about the training size is scaled already.
function scaleNote({ width, height }) {
  if (direction.scale === null) return "";
  const factor = Math.sqrt(direction.scale[0] * direction.scale[1]);
  const pixels = Math.sqrt((direction.size[0] * direction.size[1]) / (width * height));
  if (![factor, pixels].every((ratio) => ratio > 1.5 || ratio < 1 / 1.5)) return "";
  const times = factor < 1 ? `${(1 / factor).toFixed(1)} times as large as` : `${factor.toFixed(1)} times smaller than`;
  return `It is translated ${times} training saw such images: choose the scale of training.`;
}

async function showResult(image) {
  const key = settingsKey();
  const result = image.results.get(key);
  const before = await readPixels(image.file);
  const after = await createImageBitmap(result.blob);
  if (image !== chosen || key !== settingsKey()) return;
  compare(before, after, result.names);
  const link = byId("download");
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(result.blob);
  link.download = pngName(image.name);
  byId("note").textContent = [
    `${result.width} x ${result.height} pixels, without the date, place and camera of the original.`,
    image.note,
  ].join(" ");
  if (!isWorking) sayDone(image, key);
}

function sayDone(image, key) {
  const { names, seconds, device } = image.results.get(key);
  say(`${image.name}: translated to ${names[1]} in ${seconds} s${translator.webgpu ? ` with ${device}` : ""}`);
}

async function trySample(sample) {
  const radio = document.querySelector(`input[value="${sample.direction}"]`);
  if (radio) radio.checked = true;
  setDirection(sample.direction);
  const bytes = Uint8Array.from(atob(sample.image.split(",")[1]), (letter) => letter.charCodeAt(0));
  add([new File([bytes], pngName(sample.caption.replace(/[\\/]/g, "-")), { type: "image/png" })]);
  window.scrollTo({ top: 0 });
}

function setDirection(name) {
  direction = facts.directions.find((one) => one.direction === name);
  const scale = direction.scale;
  const isOther = scale !== null && scale.some((factor) => factor !== 1);
  byId("scales").hidden = !isOther;
  if (!isOther) byId("scale").value = "own";
  byId("sizes").hidden = byId("scale").value === "own";
  if (byId("sizes").hidden) byId("size").value = "own";
}

function offerDirections() {
  byId("directions").hidden = facts.directions.length < 2;
  facts.directions.forEach(({ direction: name, names }, number) => {
    const label = element("label");
    const radio = element("input");
    Object.assign(radio, { type: "radio", name: "direction", value: name, checked: number === 0 });
    label.append(radio, ` ${names[0]} to ${names[1]}`);
    byId("directions").append(label);
  });
  setDirection(facts.directions[0].direction);
}

function listen() {
  for (const id of ["files", "camera"]) {
    byId(id).addEventListener("change", (event) => {
      add(event.target.files);
      event.target.value = "";
    });
  }
  document.addEventListener("paste", (event) => add(event.clipboardData.files));
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      byId("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop") add(event.dataTransfer.files);
    });
  }
  byId("cancel").addEventListener("click", () => {
    const left = images.filter((image) => !image.results.has(settingsKey()));
    for (const image of left) {
      image.failed = settingsKey();
      image.state.textContent = "cancelled";
    }
    translator.cancel();
  });
  byId("settings").addEventListener("submit", (event) => event.preventDefault());
  byId("settings").addEventListener("change", (event) => {
    setDirection(document.querySelector("input[name=direction]:checked")?.value ?? direction.direction);
    for (const image of images) image.failed = null;
    refresh();
  });
}

async function open() {
  say("opening");
  facts = JSON.parse(await loadText("facts"));
  document.title = facts.name;
  translator.webgpu = facts.runtime.webgpu;
  offerDirections();
  describeModel(facts, trySample);
  listen();
  say("");
  translator.prepare(direction.direction).catch(() => {}); // a failure is reported with the first image
}

open().catch((error) => say(`This page cannot be used: ${error.message}. Use a newer browser.`));

"use strict";

// The pages of cgkit serve: progress of runs, and translating images.
(() => {
  const LOOK_EVERY = 2000;
  const page = document.body.dataset.page;

  async function ask(path, options = {}) {
    const response = await fetch(path, options);
    if (response.ok) return response;
    let text = `the server answered ${response.status}`;
    try {
      const { error, hint } = await response.json();
      text = hint ? `${error}; ${hint}` : error;
    } catch { /* no JSON */ }
    throw Object.assign(new Error(text), { status: response.status, wait: response.headers.get("retry-after") });
  }

  function duration(seconds) {
    if (seconds >= 5400) return `${(seconds / 3600).toFixed(1)} h`;
    return seconds >= 90 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`;
  }

  function describe(run) {
    const parts = [`step ${run.step ?? "-"} of ${run.steps ?? "?"}`];
    if (run.step && run.steps) parts.push(`${Math.floor(100 * run.step / run.steps)} %`);
    if (run.state === "running" && run.seconds_left) parts.push(`${duration(run.seconds_left)} left`);
    return parts.join(", ");
  }

  function showProgress(root, run) {
    const bar = root.querySelector("[data-progress]");
    bar.max = run.steps || 1;
    bar.value = run.step || 0;
    root.querySelector("[data-steps]").textContent = describe(run);
  }

  function repeat(look) {
    const again = async () => {
      if (!document.hidden) await look().catch(() => {});
      setTimeout(again, LOOK_EVERY);
    };
    again();
  }

  // The list of runs

  function setUpRuns() {
    const rows = new Map([...document.querySelectorAll("tr[data-run]")].map((row) => [row.dataset.run, row]));
    repeat(async () => {
      const { runs } = await (await ask("/api/runs")).json();
      if (runs.length !== rows.size || runs.some((run) => !rows.has(run.run))) return location.reload();
      for (const run of runs) {
        const row = rows.get(run.run);
        showProgress(row, run);
        const state = row.querySelector("[data-state]");
        state.textContent = run.state;
        state.className = `state ${run.state}`;
        row.querySelector("[data-score]").textContent = run.score === null ? "" : `${run.metric} ${run.score.toPrecision(4)}`;
        const image = row.querySelector("[data-strip]");
        const sheet = String(run.sheet ?? "");
        if (sheet && image.dataset.sheet !== sheet) image.src = `/runs/${run.run}/strip?step=${sheet}`;
        image.dataset.sheet = sheet;
      }
    });
    const form = document.getElementById("runs");
    if (!form) return;
    const chosen = () => form.querySelectorAll("input:checked").length;
    const update = () => { document.getElementById("compare").disabled = chosen() < 2; };
    form.addEventListener("change", update);
    update();
  }

  // One run

  const base = `/api/runs/${document.body.dataset.run}`;

  function setUpRun() {
    const live = document.getElementById("live");
    const said = live.querySelector("[data-said]");
    const buttons = [...live.querySelectorAll("[data-do]")];
    const models = document.querySelectorAll("[data-models]");
    let known = "";

    repeat(async () => {
      const run = await (await ask(base)).json();
      showProgress(live, run);
      if (run.state !== document.body.dataset.state && !document.body.dataset.used) return location.reload();
      const running = run.state === "running";
      buttons[0].hidden = !running;
      buttons[1].hidden = running || run.state === "finished" || run.state === "damaged";
      const list = JSON.stringify(run.models);
      if (list !== known) models.forEach((select) => showModels(select, run.models));
      document.getElementById("drop").toggleAttribute("aria-disabled", !run.models.length);
      document.getElementById("said").textContent = run.models.length ? "" : "This run has no model yet: wait for its first checkpoint.";
      document.getElementById("versions").hidden = run.models.length < 2;
      known = list;
    });
    for (const button of buttons) {
      button.addEventListener("click", async () => {
        button.disabled = true;
        said.textContent = button.dataset.do === "stop" ? "stopping after this step ..." : "starting ...";
        try {
          await ask(`${base}/${button.dataset.do}`, { method: "POST" });
        } catch (error) {
          said.textContent = error.message;
        }
        button.disabled = false;
      });
    }
  }

  function showModels(select, models) {
    const chosen = select.value;
    const titles = { final: "final", best: "best", checkpoint: "checkpoint" };
    const value = (at) => (select.dataset.models ? `${select.dataset.models}${at ? `@${at}` : ""}` : at);
    const options = models.map(({ at, step, kind }) => new Option(`${titles[kind]}, step ${step ?? "?"}`, value(at)));
    select.replaceChildren(...options);
    if (options.some((option) => option.value === chosen)) select.value = chosen;
    else if (select.dataset.last !== undefined && options.length) select.value = options.at(-1).value;
  }

  // Translating

  function setUpTranslating() {
    const form = document.getElementById("options");
    const drop = document.getElementById("drop");
    let last = Promise.resolve();
    const add = (files) => {
      if (drop.hasAttribute("aria-disabled")) return;
      for (const file of files) {
        const result = createResult(file);
        const options = new FormData(form);
        last = last.then(() => translate(file, options, result));
      }
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.elements.images.addEventListener("change", () => { add(form.elements.images.files); form.elements.images.value = ""; });
    drop.addEventListener("click", () => form.elements.images.click());
    drop.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); form.elements.images.click(); }
    });
    for (const name of ["dragover", "dragleave", "drop"]) {
      document.addEventListener(name, (event) => {
        if (name !== "dragleave") event.preventDefault();
        drop.classList.toggle("over", name === "dragover");
        if (name === "drop") add(event.dataTransfer.files);
      });
    }
    document.addEventListener("paste", (event) => add(event.clipboardData.files));
  }

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function createResult(file) {
    const status = element("span", { className: "remark", textContent: "waiting ..." });
    status.setAttribute("role", "status");
    const bar = element("p", {}, element("span", { className: "name", textContent: file.name }), status);
    const box = element("div", { className: "result" }, bar);
    document.getElementById("results").prepend(box);
    document.body.dataset.used = "yes";
    return { box, bar, status };
  }

  async function translate(file, options, { box, bar, status }) {
    if (!file.size) {
      status.textContent = "this file is empty";
      status.className = "error";
      return;
    }
    const query = new URLSearchParams({ name: file.name });
    for (const key of ["direction", "at", "scale"]) if (options.get(key)) query.set(key, options.get(key));
    status.textContent = "translating ...";
    const started = performance.now();
    try {
      const response = await patiently(() => ask(`${base}/translate?${query}`, { method: "POST", body: file }), status);
      const translation = await response.blob();
      const remarks = JSON.parse(response.headers.get("x-cgkit-remarks") || "[]");
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      const direction = document.querySelector(`[name=direction] option[value="${options.get("direction")}"]`).textContent;
      status.textContent = [direction, `step ${response.headers.get("x-cgkit-step")}, ${seconds} s`, ...remarks].join(", ");
      const name = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("content-disposition") || "");
      show(file, translation, name ? decodeURIComponent(name[1]) : file.name, { box, bar });
    } catch (error) {
      status.textContent = error.message;
      status.className = "error";
    }
  }

  // While many people translate, ask again.
  async function patiently(send, status) {
    for (;;) {
      try {
        return await send();
      } catch (error) {
        if (error.status !== 429) throw error;
        status.textContent = `${error.message} ...`;
        await new Promise((done) => setTimeout(done, 1000 * Number(error.wait || 5)));
      }
    }
  }

  function show(file, translation, name, { box, bar }) {
    const after = URL.createObjectURL(translation);
    bar.append(element("a", { className: "button", href: after, download: name, textContent: "Download" }));
    const both = element("div", { className: "both" }, element("img", { src: after, alt: `translation of ${file.name}` }));
    both.firstChild.addEventListener("error", () => both.replaceWith("This browser cannot show such a file; download it."));
    const before = element("img", { src: URL.createObjectURL(file), alt: file.name, className: "before" });
    before.addEventListener("error", () => before.remove());
    const slider = element("input", { type: "range", min: 0, max: 100, value: 50 });
    slider.setAttribute("aria-label", "How much of the original is shown");
    slider.addEventListener("input", () => both.style.setProperty("--at", `${slider.value}%`));
    both.append(before);
    box.append(element("div", { className: "pair" }, both, slider));
  }

  if (page === "runs") setUpRuns();
  if (page === "run") { setUpRun(); setUpTranslating(); }
})();

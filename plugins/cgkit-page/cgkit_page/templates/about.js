// What is known about the model, below the translation.

function show(id, ...children) {
  const place = document.getElementById(id);
  place.hidden = false;
  (place.querySelector("div") ?? place).append(...children);
}

function describeModel(facts, onSample) {
  const ways = facts.directions.map(({ names }) => `${names[0]} to ${names[1]}`).join(" and ");
  document.getElementById("summary").textContent =
    `Translates images from ${ways}. Everything is computed in this page: no image leaves your device.`;
  if (facts.samples.length) show("samples", ...facts.samples.map((sample) => sampleButton(facts, sample, onSample)));
  if (facts.scores.length) show("scores", table(facts.scores));
  const [title, ...card] = renderMarkdown(facts.card);
  if (title) show("card", element("h2", "About the model"), ...(title.tagName === "H2" ? card : [title, ...card]));
  for (const { names, difference } of facts.directions) {
    if (difference !== null) {
      const levels = (255 * difference).toFixed(2);
      const text = `${names[0]} to ${names[1]}: translations by this page differ from those of the trained network by at most ${levels} of 255 levels.`;
      show("card", element("p", text, "small"));
    }
  }
  document.getElementById("licence").textContent =
    `The model: ${facts.licence ?? "no licence is declared"}. The page was made with cgkit ${facts.cgkit}.`;
  document.getElementById("runtime").textContent = facts.runtime.licence;
}

function sampleButton(facts, sample, onSample) {
  const button = element("button", undefined, "sample");
  button.type = "button";
  const names = facts.directions.find(({ direction }) => direction === sample.direction).names;
  for (const [url, name] of [[sample.image, names[0]], [sample.translation, names[1]]]) {
    const image = element("img");
    image.src = url;
    image.alt = `${name}: ${sample.caption}`;
    button.append(image);
  }
  button.append(element("span", `${sample.caption}: ${names[0]} to ${names[1]}`));
  button.addEventListener("click", () => onSample(sample));
  return button;
}

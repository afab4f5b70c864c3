// The model card: the few forms of Markdown that cards use, as elements. All text is set as text, never as HTML.

function element(name, text, ...classes) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  made.classList.add(...classes);
  return made;
}

function table(rows) {
  const made = element("table");
  rows.forEach((cells, number) => {
    const row = made.insertRow();
    for (const cell of cells) row.append(element(number ? "td" : "th", cell));
  });
  return made;
}

function cellsOf(line) {
  return line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
}

// Return one element for a block of lines that an empty line separates from others.
function blockOf(lines) {
  const heading = /^(#{1,6}) +(.*)$/.exec(lines[0]);
  if (heading && lines.length === 1) return element(`h${Math.min(6, heading[1].length + 1)}`, heading[2]);
  if (lines.every((line) => /^(?: {4}|\t)/.test(line))) {
    return element("pre", lines.map((line) => line.replace(/^(?: {4}|\t)/, "")).join("\n"));
  }
  if (lines.every((line) => line.startsWith("|"))) {
    return table(lines.filter((line) => !/^[|:\s-]+$/.test(line)).map(cellsOf));
  }
  if (/^ *[-*] /.test(lines[0])) {
    const list = element("ul");
    for (const line of lines) {
      if (/^ *[-*] /.test(line)) list.append(element("li", line.replace(/^ *[-*] /, "")));
      else list.lastElementChild.textContent += ` ${line.trim()}`;
    }
    return list;
  }
  return element("p", lines.join(" "));
}

function renderMarkdown(text) {
  return text
    .split(/\n[ \t]*\n/)
    .map((block) => block.split("\n").filter((line) => line.trim()))
    .filter((lines) => lines.length)
    .map(blockOf);
}

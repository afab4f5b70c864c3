// What the page consists of: embedded in it as base85, or next to it as files; compressed with gzip.

const LETTERS =
  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%/()*+-;.=,?@^_`{|}~";

function decodeBase85(text) {
  const values = new Uint8Array(128);
  for (let i = 0; i < LETTERS.length; i++) values[LETTERS.charCodeAt(i)] = i;
  const last = LETTERS.length - 1;
  const padding = (5 - (text.length % 5)) % 5;
  const bytes = new DataView(new ArrayBuffer(((text.length + padding) / 5) * 4));
  const value = (i) => (i < text.length ? values[text.charCodeAt(i)] : last);
  for (let i = 0, at = 0; i < text.length; i += 5, at += 4) {
    const number =
      (((value(i) * 85 + value(i + 1)) * 85 + value(i + 2)) * 85 + value(i + 3)) * 85 + value(i + 4);
    bytes.setUint32(at, number);
  }
  return new Uint8Array(bytes.buffer, 0, bytes.byteLength - padding);
}

const isEmbedded = document.getElementById("data-facts") !== null;

// Return the bytes of an entry as an ArrayBuffer.
async function loadData(name) {
  const element = document.getElementById(`data-${name}`);
  let packed;
  if (element) {
    packed = new Blob([decodeBase85(element.textContent)]);
    element.remove(); // it is only read once
  } else {
    const response = await fetch(`${name}.bin`);
    if (!response.ok) throw new Error(`${name}.bin is missing next to this page`);
    packed = await response.blob();
  }
  return new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

async function loadText(name) {
  return new TextDecoder().decode(await loadData(name));
}

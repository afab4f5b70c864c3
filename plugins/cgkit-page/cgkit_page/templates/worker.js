// The worker: takes the pixels of an image, and returns those of its translation.

const models = new Map(); // the bytes of networks
const networks = new Map();
let device = "wasm";

function report(share, what) {
  postMessage({ kind: "progress", share, what });
}

// Return a function that reads the value of one channel in [0, 1] from RGBA, over the background, as luma if grey.
function valueReader(pixels, channels, background) {
  const colour = (at, c) => {
    const alpha = pixels[at + 3] / 255;
    return (pixels[at + c] / 255) * alpha + (background[c] / 255) * (1 - alpha);
  };
  if (channels === 3) return colour;
  return (at) => 0.299 * colour(at, 0) + 0.587 * colour(at, 1) + 0.114 * colour(at, 2);
}

// Return planes (C, H, W) of a window; `rows` and `columns` are those of the image to use.
function planesFromPixels(pixels, imageWidth, channels, background, rows, columns) {
  const value = valueReader(pixels, channels, background);
  const planes = new Float32Array(channels * rows.length * columns.length);
  let at = 0;
  for (let c = 0; c < channels; c++) {
    for (const row of rows) for (const column of columns) planes[at++] = value(4 * (row * imageWidth + column), c);
  }
  return planes;
}

function planesFromPlanes(planes, [height, width], channels, rows, columns) {
  const made = new Float32Array(channels * rows.length * columns.length);
  let at = 0;
  for (let c = 0; c < channels; c++) {
    for (const row of rows) for (const column of columns) made[at++] = planes[(c * height + row) * width + column];
  }
  return made;
}

// Return a function that reads windows of the image at the size at which the network sees it.
function reader(pixels, { width, height, direction, sizes }) {
  const channels = direction.channels[0];
  const everything = [Int32Array.from({ length: height }, (_, i) => i), Int32Array.from({ length: width }, (_, i) => i)];
  if (sizes.seen[0] === height && sizes.seen[1] === width) {
    return (rows, columns) => planesFromPixels(pixels, width, channels, direction.background, rows, columns);
  }
  report(null, "scaling");
  const own = planesFromPixels(pixels, width, channels, direction.background, ...everything);
  const seen = resize(own, channels, [height, width], sizes.seen);
  return (rows, columns) => planesFromPlanes(seen, sizes.seen, channels, rows, columns);
}

async function translatePlanes(network, read, direction, [height, width], write) {
  const [rows, columns] = [paddedIndices(height, direction.stride), paddedIndices(width, direction.stride)];
  const [from, to] = direction.channels;
  const writeRow = (c, y, values) => y < height && write(c, y, values.subarray(0, width));
  if (rows.length * columns.length <= direction.whole) {
    report(null, "translating");
    network.thaw();
    const made = await network.run(read(rows, columns), from, rows.length, columns.length);
    for (let c = 0; c < to; c++) {
      for (let y = 0; y < height; y++) {
        const start = (c * rows.length + y) * columns.length;
        writeRow(c, y, made.subarray(start, start + columns.length));
      }
    }
    return;
  }
  await translateTiles(network, read, rows, columns, direction, writeRow);
}

async function translateTiles(network, read, rows, columns, direction, write) {
  const [from, to] = direction.channels;
  const { tiles, overlap } = tilesOf(rows.length, columns.length, direction.stride);
  const count = network.length ? Math.min(SAMPLES, tiles.length) : 0;
  const total = count + tiles.length;
  let done = 0;
  const patchOf = ({ patch }) => ({
    planes: read(rows.subarray(patch.top, patch.bottom), columns.subarray(patch.left, patch.right)),
    channels: from,
    height: patch.bottom - patch.top,
    width: patch.right - patch.left,
  });
  async function* samples() {
    for (let i = 0; i < count; i++) {
      report(done++ / total, "measuring in tiles");
      yield patchOf(tiles[Math.floor(((i + 0.5) * tiles.length) / count)]);
    }
  }
  await network.freeze(samples());
  const blender = new Blender(to, rows.length, columns.length, overlap, write);
  for (const tile of tiles) {
    report(done++ / total, "translating in tiles");
    const patch = patchOf(tile);
    blender.add(tile, await network.run(patch.planes, patch.channels, patch.height, patch.width));
  }
  network.thaw();
}

// Return a function that writes rows in [0, 1] to RGBA; a grey image has three equal channels.
function pixelWriter(pixels, width, channels) {
  return (c, y, values) => {
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x);
      if (channels === 3) pixels[at + c] = 255 * values[x];
      else pixels[at] = pixels[at + 1] = pixels[at + 2] = 255 * values[x];
    }
  };
}

function alphaOf(source, { width, height, direction, sizes }) {
  if (!direction.keepsAlpha) return null;
  const alpha = Float32Array.from({ length: width * height }, (_, i) => source[4 * i + 3] / 255);
  return resize(alpha, 1, [height, width], sizes.result);
}

async function networkOf(name) {
  try {
    if (!networks.has(name)) networks.set(name, await Network.open(models.get(name), device));
  } catch (error) {
    throw Object.assign(new Error(String(error)), { isOpening: true });
  }
  return networks.get(name);
}

async function hasGraphicsCard() {
  try {
    return Boolean(await navigator.gpu?.requestAdapter());
  } catch {
    return false;
  }
}

async function translate(source, task) {
  const { direction, sizes } = task;
  const network = await networkOf(direction.direction);
  const read = reader(source, task);
  const channels = direction.channels[1];
  const [height, width] = sizes.result;
  const pixels = new Uint8ClampedArray(4 * height * width);
  const write = pixelWriter(pixels, width, channels);
  if (sizes.seen[0] === height && sizes.seen[1] === width) {
    await translatePlanes(network, read, direction, sizes.seen, write);
  } else {
    const [seenHeight, seenWidth] = sizes.seen;
    const seen = new Float32Array(channels * seenHeight * seenWidth);
    await translatePlanes(network, read, direction, sizes.seen, (c, y, values) =>
      seen.set(values, (c * seenHeight + y) * seenWidth));
    report(null, "scaling back");
    const made = resize(seen, channels, sizes.seen, sizes.result);
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < height; y++) {
        const start = (c * height + y) * width;
        write(c, y, made.subarray(start, start + width));
      }
    }
  }
  const alpha = alphaOf(source, task);
  for (let i = 0; i < width * height; i++) pixels[4 * i + 3] = alpha ? 255 * alpha[i] : 255;
  return { pixels, width, height };
}

async function handle({ kind, ...data }) {
  if (kind === "runtime") {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = data.wasm;
    ort.env.logLevel = "error";
    if (data.webgpu && (await hasGraphicsCard())) device = "webgpu";
  } else if (kind === "network") {
    models.set(data.name, data.model);
    await orWithoutWebgpu(() => networkOf(data.name));
  } else {
    const made = await orWithoutWebgpu(() => translate(data.pixels, data.task));
    postMessage({ kind: "done", device, ...made }, [made.pixels.buffer]);
  }
}

// Do something; if the graphics card fails, for lack of memory for example, do it again in WebAssembly.
async function orWithoutWebgpu(action) {
  try {
    return await action();
  } catch (error) {
    if (device === "wasm") throw error;
    device = "wasm";
    networks.clear();
    return action();
  }
}

let last = Promise.resolve();
self.onmessage = ({ data }) => {
  last = last.then(() => handle(data)).catch((error) => {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    postMessage({ kind: "error", message, isOpening: Boolean(error?.isOpening) });
  });
};

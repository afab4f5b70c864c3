// Reading windows of an image, padded to the network's stride, and blending the translations of overlapping windows.

const TILE = 512;
const OVERLAP = 64;
const SAMPLES = 8; // tiles from which norm statistics are averaged

// Return, for each row or column of the padded image, that of the image to use: mirrored, or repeated if too short.
// A network takes multiples of its stride, and no fewer than two.
function paddedIndices(length, stride) {
  const padding = Math.max(2, Math.ceil(length / stride)) * stride - length;
  return Int32Array.from({ length: length + padding }, (_, i) => {
    if (i < length) return i;
    return padding < length ? 2 * (length - 1) - i : length - 1;
  });
}

// Return edges of windows of similar size, at multiples of the stride, each window at most about TILE long.
function edgesOf(length, stride) {
  const units = length / stride;
  const count = Math.max(1, Math.min(units, Math.ceil(length / Math.max(TILE, stride))));
  return Array.from({ length: count + 1 }, (_, i) => Math.floor((units * i) / count) * stride);
}

function tilesOf(height, width, stride) {
  const overlap = Math.ceil(OVERLAP / stride) * stride;
  const rows = edgesOf(height, stride);
  const columns = edgesOf(width, stride);
  const tiles = [];
  for (let i = 0; i + 1 < rows.length; i++) {
    for (let k = 0; k + 1 < columns.length; k++) {
      const [top, bottom, left, right] = [rows[i], rows[i + 1], columns[k], columns[k + 1]];
      tiles.push({
        window: { top, bottom, left, right },
        patch: {
          top: Math.max(0, top - overlap),
          bottom: Math.min(height, bottom + overlap),
          left: Math.max(0, left - overlap),
          right: Math.min(width, right + overlap),
        },
      });
    }
  }
  return { tiles, overlap };
}

// Return weights from 0 at a patch's ends, linear up to 1 inside; at the ends of the image they stay at 1.
function ramp(start, from, to, end, length) {
  return Float32Array.from({ length: end - start }, (_, i) => {
    const at = start + i + 0.5;
    let weight = 1;
    if (start > 0) weight = Math.min(weight, (at - from) / (from - start) + 0.5);
    if (end < length) weight = Math.min(weight, (to - at) / (end - to) + 0.5);
    return Math.max(0, weight);
  });
}

// Adds up weighted patches, which come row by row, and writes rows once they are complete.
class Blender {
  constructor(channels, height, width, overlap, write) {
    Object.assign(this, { channels, height, width, overlap, write });
    this.top = 0;
    this.rows = Math.min(height, TILE + 4 * overlap + TILE); // of one row of patches, and what waits above it
    this.sums = new Float32Array(channels * this.rows * width);
  }

  add({ window, patch }, pixels) {
    const down = ramp(patch.top, window.top, window.bottom, patch.bottom, this.height);
    const across = ramp(patch.left, window.left, window.right, patch.right, this.width);
    const size = [patch.bottom - patch.top, patch.right - patch.left];
    for (let c = 0; c < this.channels; c++) {
      for (let y = 0; y < size[0]; y++) {
        const target = (c * this.rows + patch.top - this.top + y) * this.width + patch.left;
        const source = (c * size[0] + y) * size[1];
        for (let x = 0; x < size[1]; x++) this.sums[target + x] += down[y] * across[x] * pixels[source + x];
      }
    }
    if (window.right === this.width) this.#flush(window.bottom === this.height ? this.height : window.bottom - this.overlap);
  }

  #flush(bottom) {
    const count = bottom - this.top;
    for (let c = 0; c < this.channels; c++) {
      const start = c * this.rows * this.width;
      const end = start + this.rows * this.width;
      for (let y = 0; y < count; y++) {
        const row = start + y * this.width;
        this.write(c, this.top + y, this.sums.subarray(row, row + this.width));
      }
      this.sums.copyWithin(start, start + count * this.width, end);
      this.sums.fill(0, end - count * this.width, end);
    }
    this.top = bottom;
  }
}

// Bicubic, antialiased resizing of planes, as torch's interpolate(mode="bicubic", antialias=True) computes it.

function cubic(x) {
  const a = -0.5;
  x = Math.abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// Return the first source index and the weights of each target index along one axis.
function weightsOf(from, to) {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - 2 * stretch + 0.5));
    const end = Math.min(from, Math.floor(centre + 2 * stretch + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_, k) => cubic((first + k - centre + 0.5) / stretch));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

// Resize planes (C, H, W) in [0, 1] to [height, width]; return them clipped to [0, 1].
function resize(planes, channels, [height, width], [toHeight, toWidth]) {
  if (height === toHeight && width === toWidth) return planes;
  const columns = weightsOf(width, toWidth);
  const rows = weightsOf(height, toHeight);
  const wide = new Float32Array(channels * height * toWidth);
  for (let y = 0; y < channels * height; y++) {
    for (let x = 0; x < toWidth; x++) {
      const { first, weights } = columns[x];
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * planes[y * width + first + k];
      wide[y * toWidth + x] = sum;
    }
  }
  const result = new Float32Array(channels * toHeight * toWidth);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < toHeight; y++) {
      const { first, weights } = rows[y];
      const target = (c * toHeight + y) * toWidth;
      for (let x = 0; x < toWidth; x++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * wide[(c * height + first + k) * toWidth + x];
        result[target + x] = Math.min(1, Math.max(0, sum));
      }
    }
  }
  return result;
}

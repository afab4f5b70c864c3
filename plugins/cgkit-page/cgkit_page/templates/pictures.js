// Images as the browser reads and writes them.

// Return the pixels of an image file, upright and in sRGB; explain why if the browser cannot read it.
async function readPixels(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image", premultiplyAlpha: "none" });
  } catch {
    throw new Error(`this browser cannot read it as an image; save it as PNG or JPEG`);
  }
  try {
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height);
  } catch {
    throw new Error(`it has ${bitmap.width} x ${bitmap.height} pixels, more than this browser can handle`);
  } finally {
    bitmap.close();
  }
}

async function toPng(pixels) {
  const canvas = new OffscreenCanvas(pixels.width, pixels.height);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

async function countFrames(file) {
  if (!/gif|webp|apng|png|avif/.test(file.type) || !self.ImageDecoder) return 1;
  try {
    const decoder = new ImageDecoder({ data: file.stream(), type: file.type });
    await decoder.tracks.ready;
    const count = decoder.tracks.selectedTrack.frameCount;
    decoder.close();
    return count;
  } catch {
    return 1;
  }
}

// Draw a picture into a canvas, which takes its size.
function draw(canvas, picture) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (picture instanceof ImageData) context.putImageData(picture, 0, 0);
  else context.drawImage(picture, 0, 0);
}

function pngName(name) {
  return `${name.replace(/\.[^.]*$/, "") || "image"}.png`;
}

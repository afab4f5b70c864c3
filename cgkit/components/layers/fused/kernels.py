"""Triton kernels for instance norm, activation, residual sum and reflection padding in one pass over memory.

All images have the memory layout `(N, H, W, C)`. A program handles a block of pixels and a block of channels of one
image, so sums over pixels come in parts; a part is merged in a fixed order, so results are deterministic.

Statistics are computed by Welford's method within a part and merged by that of Chan et al. (1979): unlike sums of
squares, neither cancels if the mean of a map is far larger than its deviation.
"""

import triton
import triton.language as tl


@triton.jit
def statistics_kernel(x, parts, pixels, channels, splits, per_split, BP: tl.constexpr, BC: tl.constexpr):
    """Write the mean and the sum of squared deviations of each part of each map to `parts`, `(N, splits, 2, C)`."""
    image, split = tl.program_id(0).to(tl.int64), tl.program_id(1)
    channel = tl.program_id(2) * BC + tl.arange(0, BC)
    lane = tl.arange(0, BP)
    first = split * per_split
    last = tl.minimum(first + per_split, pixels)
    x += image * pixels * channels
    mean = tl.zeros((BP, BC), tl.float32)
    squares = tl.zeros((BP, BC), tl.float32)
    seen = 0.0
    for start in range(first, last, BP):
        pixel = start + lane
        given = (pixel < last)[:, None] & (channel < channels)[None, :]
        value = tl.load(x + pixel[:, None] * channels + channel[None, :], mask=given, other=0).to(tl.float32)
        seen += 1.0
        deviation = value - mean
        moved = mean + deviation * (1.0 / seen)
        squares = tl.where(given, squares + deviation * (value - moved), squares)
        mean = tl.where(given, moved, mean)
    counts = tl.maximum((last - first - lane + BP - 1) // BP, 0).to(tl.float32)[:, None]
    total = tl.sum(counts * mean, 0) / (last - first)
    squares = tl.sum(squares + counts * (mean - total[None, :]) * (mean - total[None, :]), 0)
    out = parts + (image * splits + split) * 2 * channels + channel
    tl.store(out, total, mask=channel < channels)
    tl.store(out + channels, squares, mask=channel < channels)


@triton.jit
def _merge_statistics(parts, image, channel, pixels, channels, splits, per_split, BS: tl.constexpr):
    split = tl.arange(0, BS)
    given = (split < splits)[:, None] & (channel < channels)[None, :]
    at = parts + (image * splits + split)[:, None] * 2 * channels + channel[None, :]
    means = tl.load(at, mask=given, other=0)
    squares = tl.load(at + channels, mask=given, other=0)
    counts = tl.where(split < splits, tl.minimum(pixels - split * per_split, per_split), 0).to(tl.float32)[:, None]
    mean = tl.sum(counts * means, 0) / pixels
    distances = means - mean[None, :]
    return mean, tl.sum(squares + counts * distances * distances, 0) / pixels


@triton.jit
def _merge_sums(parts, image, channel, channels, splits, BS: tl.constexpr):
    split = tl.arange(0, BS)
    given = (split < splits)[:, None] & (channel < channels)[None, :]
    at = parts + (image * splits + split)[:, None] * 2 * channels + channel[None, :]
    return tl.sum(tl.load(at, mask=given, other=0), 0), tl.sum(tl.load(at + channels, mask=given, other=0), 0)


@triton.jit
def _load_affine(weight, bias, channel, channels, AFFINE: tl.constexpr, BC: tl.constexpr):
    if AFFINE:
        scale = tl.load(weight + channel, mask=channel < channels, other=1).to(tl.float32)
        shift = tl.load(bias + channel, mask=channel < channels, other=0).to(tl.float32)
    else:
        scale = tl.full((BC,), 1.0, tl.float32)
        shift = tl.zeros((BC,), tl.float32)
    return scale, shift


@triton.jit
def apply_kernel(
    x, parts, mean_out, rstd_out, weight, bias, residual, y,
    height, width, channels, padded_height, columns, splits, per_split, residual_image, residual_row, residual_pixel,
    eps, slope,
    PAD: tl.constexpr, NORM: tl.constexpr, AFFINE: tl.constexpr, ACTIVATE: tl.constexpr, RESIDUAL: tl.constexpr,
    TILES: tl.constexpr, BP: tl.constexpr, BC: tl.constexpr, BS: tl.constexpr,
):  # fmt: skip
    """Write `pad(activation(norm(x)) + residual)` to `y`, and each map's mean and 1 / deviation."""
    image, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    channel = tl.program_id(2) * BC + tl.arange(0, BC)
    inside = (channel < channels)[None, :]
    pixels = height * width
    if NORM:
        mean, variance = _merge_statistics(parts, image, channel, pixels, channels, splits, per_split, BS)
        rstd = 1 / tl.sqrt(variance + eps)
        if block == 0:
            tl.store(mean_out + image * channels + channel, mean, mask=channel < channels)
            tl.store(rstd_out + image * channels + channel, rstd, mask=channel < channels)
        scale, shift = _load_affine(weight, bias, channel, channels, AFFINE, BC)
        scale = scale * rstd
    x += image * pixels * channels
    y += image * padded_height * columns * channels
    residual += image * residual_image
    for tile in range(TILES):
        place = (block * TILES + tile) * BP + tl.arange(0, BP)
        row, column = place // columns - PAD, place % columns - PAD
        within = place < padded_height * columns
        # Columns to the right of the padding, if there are any, are zero.
        given = (within & (column < width + PAD))[:, None] & inside
        row = tl.where(row < 0, -row, row)
        row = tl.where(row >= height, 2 * (height - 1) - row, row)
        column = tl.where(column < 0, -column, column)
        column = tl.where(column >= width, 2 * (width - 1) - column, column)
        at = (row * width + column)[:, None] * channels + channel[None, :]
        value = tl.load(x + at, mask=given, other=0).to(tl.float32)
        if NORM:
            value = (value - mean[None, :]) * scale[None, :] + shift[None, :]
        if ACTIVATE:
            value = tl.where(value > 0, value, value * slope)
        if RESIDUAL:
            at = (row * residual_row + column * residual_pixel)[:, None] + channel[None, :]
            value += tl.load(residual + at, mask=given, other=0).to(tl.float32)
        value = tl.where(given, value, 0)
        at = place[:, None] * channels + channel[None, :]
        tl.store(y + at, value.to(y.dtype.element_ty), mask=within[:, None] & inside)


@triton.jit
def _fold_row(gradient, column, width, channels, channel, given, PAD: tl.constexpr):
    """Sum the gradients of all columns of a padded row that show the given columns of the image."""
    value = tl.load(gradient + (column + PAD)[:, None] * channels + channel[None, :], mask=given, other=0)
    value = value.to(tl.float32)
    if PAD > 0:
        left = given & ((column >= 1) & (column <= PAD))[:, None]
        value += tl.load(gradient + (PAD - column)[:, None] * channels + channel[None, :], mask=left, other=0)
        right = given & ((column >= width - 1 - PAD) & (column <= width - 2))[:, None]
        at = (2 * (width - 1) - column + PAD)[:, None] * channels + channel[None, :]
        value += tl.load(gradient + at, mask=right, other=0)
    return value


@triton.jit
def _fold(gradient, row, column, height, width, columns, channels, channel, given, PAD: tl.constexpr):
    """Sum the gradients of all pixels of a padded image that show the given columns of a row of the image."""
    value = _fold_row(gradient + (row + PAD) * columns * channels, column, width, channels, channel, given, PAD)
    if PAD > 0:
        if (row >= 1) & (row <= PAD):
            at = gradient + (PAD - row) * columns * channels
            value += _fold_row(at, column, width, channels, channel, given, PAD)
        if (row >= height - 1 - PAD) & (row <= height - 2):
            at = gradient + (2 * (height - 1) - row + PAD) * columns * channels
            value += _fold_row(at, column, width, channels, channel, given, PAD)
    return value


@triton.jit
def _load_gradient(
    gradient, skip_gradient, residual_gradient, row, column, height, width, columns, channels, channel,
    skip_row, skip_pixel, given, PAD: tl.constexpr, RESIDUAL: tl.constexpr, SKIP: tl.constexpr,
):  # fmt: skip
    """Return the gradient of the result without padding, which is also that of the residual; write that, if needed."""
    value = _fold(gradient, row, column, height, width, columns, channels, channel, given, PAD)
    if SKIP:
        at = (row * skip_row + column * skip_pixel)[:, None] + channel[None, :]
        value += tl.load(skip_gradient + at, mask=given, other=0).to(tl.float32)
    if RESIDUAL:
        at = (row * width + column)[:, None] * channels + channel[None, :]
        tl.store(residual_gradient + at, value.to(residual_gradient.dtype.element_ty), mask=given)
    return value


@triton.jit
def gradient_sums_kernel(
    x, gradient, skip_gradient, mean, rstd, weight, bias, residual_gradient, parts,
    height, width, channels, columns, splits, rows, skip_image, skip_row, skip_pixel, slope,
    PAD: tl.constexpr, AFFINE: tl.constexpr, ACTIVATE: tl.constexpr, RESIDUAL: tl.constexpr, SKIP: tl.constexpr,
    BW: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Write the sums of g and of g * normalised(x) over each part of each map to `parts`, `(N, splits, 2, C)`.

    g is the gradient of the norm's output. If there is a residual, its gradient is written as well.
    """
    image, split = tl.program_id(0).to(tl.int64), tl.program_id(1)
    channel = tl.program_id(2) * BC + tl.arange(0, BC)
    inside = (channel < channels)[None, :]
    x += image * height * width * channels
    gradient += image * (height + 2 * PAD) * columns * channels
    skip_gradient += image * skip_image
    residual_gradient += image * height * width * channels
    m = tl.load(mean + image * channels + channel, mask=channel < channels, other=0)[None, :]
    r = tl.load(rstd + image * channels + channel, mask=channel < channels, other=0)[None, :]
    scale, shift = _load_affine(weight, bias, channel, channels, AFFINE, BC)
    sums = tl.zeros((BW, BC), tl.float32)
    products = tl.zeros((BW, BC), tl.float32)
    for row in range(split * rows, tl.minimum((split + 1) * rows, height)):
        for start in range(0, width, BW):
            column = start + tl.arange(0, BW)
            given = (column < width)[:, None] & inside
            at = (row * width + column)[:, None] * channels + channel[None, :]
            value = (tl.load(x + at, mask=given, other=0).to(tl.float32) - m) * r
            g = _load_gradient(
                gradient, skip_gradient, residual_gradient, row, column, height, width, columns, channels, channel,
                skip_row, skip_pixel, given, PAD, RESIDUAL, SKIP,
            )  # fmt: skip
            if ACTIVATE:
                g = tl.where(value * scale[None, :] + shift[None, :] > 0, g, g * slope)
            sums += g
            products += tl.where(given, g * value, 0)
    out = parts + (image * splits + split) * 2 * channels + channel
    tl.store(out, tl.sum(sums, 0), mask=channel < channels)
    tl.store(out + channels, tl.sum(products, 0), mask=channel < channels)


@triton.jit
def gradient_kernel(
    x, gradient, skip_gradient, mean, rstd, weight, bias, residual_gradient, parts, x_gradient,
    height, width, channels, columns, splits, rows, skip_image, skip_row, skip_pixel, slope,
    PAD: tl.constexpr, NORM: tl.constexpr, AFFINE: tl.constexpr, ACTIVATE: tl.constexpr, RESIDUAL: tl.constexpr,
    SKIP: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr, BS: tl.constexpr,
):  # fmt: skip
    """Write the gradient of x; without a norm, also that of the residual, which `gradient_sums_kernel` else writes."""
    image, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    channel = tl.program_id(2) * BC + tl.arange(0, BC)
    inside = (channel < channels)[None, :]
    x += image * height * width * channels
    x_gradient += image * height * width * channels
    gradient += image * (height + 2 * PAD) * columns * channels
    skip_gradient += image * skip_image
    residual_gradient += image * height * width * channels
    if NORM:
        m = tl.load(mean + image * channels + channel, mask=channel < channels, other=0)[None, :]
        r = tl.load(rstd + image * channels + channel, mask=channel < channels, other=0)[None, :]
        scale, shift = _load_affine(weight, bias, channel, channels, AFFINE, BC)
        sums, products = _merge_sums(parts, image, channel, channels, splits, BS)
        sums = (sums / (height * width))[None, :]
        products = (products / (height * width))[None, :]
    for row in range(block * rows, tl.minimum((block + 1) * rows, height)):
        for start in range(0, width, BW):
            column = start + tl.arange(0, BW)
            given = (column < width)[:, None] & inside
            at = (row * width + column)[:, None] * channels + channel[None, :]
            value = tl.load(x + at, mask=given, other=0).to(tl.float32)
            if NORM and RESIDUAL:
                g = tl.load(residual_gradient + at, mask=given, other=0).to(tl.float32)
            else:
                g = _load_gradient(
                    gradient, skip_gradient, residual_gradient, row, column, height, width, columns, channels, channel,
                    skip_row, skip_pixel, given, PAD, RESIDUAL, SKIP,
                )  # fmt: skip
            if NORM:
                value = (value - m) * r
                if ACTIVATE:
                    g = tl.where(value * scale[None, :] + shift[None, :] > 0, g, g * slope)
                g = (r * scale[None, :]) * (g - sums - value * products)
            else:
                if ACTIVATE:
                    g = tl.where(value > 0, g, g * slope)
            tl.store(x_gradient + at, g.to(x_gradient.dtype.element_ty), mask=given)

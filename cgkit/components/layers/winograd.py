"""3x3 convolutions with fewer multiplications, by Winograd's minimal filtering, if that is faster.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), section 4: F(2x2, 3x3). Tiles of 4x4
pixels that overlap by two, and the weights, are transformed by sums and differences. 16 matrix products then give 2x2
pixels of each tile: 4 multiplications per pixel instead of 9. The function is the same, not an approximation. In
float32 its rounding error is 1.6 times that of the direct sum: 3.6e-7 against 2.3e-7 of the output's deviation.

Images have the memory layout `(H, W, C)` here. Each transform is applied to the rows, then to the columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

BUFFER = 2**20
"""Values in the tiles processed at a time: few enough to stay in the processor's caches."""


class Convolution3x3(nn.Conv2d):
    """A 3x3 convolution of stride 1, without padding, computed directly or by Winograd's method, whichever is faster.

    The parameters are those of `nn.Conv2d`.
    """

    LEAST_SIDE = 32
    LEAST_CHANNELS = 256
    """From these sizes on, Winograd's method is faster; below, the transforms cost as much as they save."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return `(N, out_channels, H - 2, W - 2)`."""
        if not self._pays(features):
            return super().forward(features)
        made: Tensor = _Winograd.apply(features, self.weight)
        return made if self.bias is None else made + self.bias[:, None, None]

    def _pays(self, features: Tensor) -> bool:
        """Return whether to use Winograd's method. The batch size does not matter, so results do not depend on it.

        Only on a CPU: GPU libraries choose by themselves. Not in bf16, which rounds the sums as well: the error was
        four times as large. Compilers and exporters see an ordinary convolution.
        """
        height, width = (side - 2 for side in features.shape[-2:])
        return (
            features.device.type == "cpu"
            and features.dtype == self.weight.dtype
            and features.dtype in (torch.float32, torch.float64)
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
            and min(height, width) >= self.LEAST_SIDE
            and height % 2 == width % 2 == 0
            and min(self.in_channels, self.out_channels) >= self.LEAST_CHANNELS
        )


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, features: Tensor, weight: Tensor) -> Tensor:
        context.save_for_backward(features, weight)
        images, matrices = _channels_last(features), _spread_weight(weight)
        count, height, width, _ = images.shape
        made = images.new_empty(count, height - 2, width - 2, len(weight))
        space = _Space(images)
        for image, rows in _bands(images):
            tiles = _spread(images[image, rows.start : rows.stop + 2], space("tiles"))
            _gather(_products(tiles, matrices.transpose(1, 2), space("products")), made[image, rows], space("rows"))
        return made.permute(0, 3, 1, 2)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        features, weight = context.saved_tensors
        if torch.is_grad_enabled():  # double backward
            sides: Any = ([1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, True, False])
            to_features, to_weight, _ = torch.ops.aten.convolution_backward(gradient, features, weight, None, *sides)
            return to_features, to_weight
        images, above, matrices = _channels_last(features), _channels_last(gradient), _spread_weight(weight)
        wanted_images, wanted_weight = context.needs_input_grad
        to_images = torch.zeros_like(images) if wanted_images else None
        to_matrices = torch.zeros_like(matrices)
        space = _Space(images)
        for image, rows in _bands(images):
            rows_read = slice(rows.start, rows.stop + 2)
            taught = _spread_gradient(above[image, rows], space("taught"))
            if wanted_weight:
                tiles = _spread(images[image, rows_read], space("tiles"))
                to_matrices.baddbmm_(_as_matrices(taught).transpose(1, 2), _as_matrices(tiles))
            if to_images is not None:
                products = _products(taught, matrices, space("products"))
                _gather_gradient(products, to_images[image, rows_read], space("rows"))
        return (
            None if to_images is None else to_images.permute(0, 3, 1, 2),
            _gather_weight_gradient(to_matrices, weight) if wanted_weight else None,
        )


Allocate = Callable[..., Tensor]
"""Returns a tensor of the given shape."""


class _Space:
    """Memory reused for each band of rows: allocating it would take longer than the computation."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._held: dict[str, Tensor] = {}

    def __call__(self, name: str) -> Allocate:
        def allocate(*shape: int) -> Tensor:
            size = math.prod(shape)
            if name not in self._held or len(self._held[name]) < size:
                self._held[name] = self._like.new_empty(size)
            return self._held[name][:size].view(shape)

        return allocate


def _channels_last(images: Tensor) -> Tensor:
    return images.permute(0, 2, 3, 1).contiguous()


def _bands(images: Tensor) -> Iterator[tuple[int, slice]]:
    """Iterate over the images of a batch, in bands of as many rows as the buffer allows."""
    count, height, width, channels = images.shape
    step = max(BUFFER // (16 * (width // 2) * channels), 1) * 2
    for image in range(count):
        for start in range(0, height - 2, step):
            yield image, slice(start, min(start + step, height - 2))


def _as_matrices(tiles: Tensor) -> Tensor:
    return tiles.view(16, -1, tiles.shape[-1])


def _products(tiles: Tensor, matrices: Tensor, allocate: Allocate) -> Tensor:
    products = allocate(*tiles.shape[:-1], matrices.shape[-1])
    torch.bmm(_as_matrices(tiles), matrices, out=_as_matrices(products))
    return products


def _spread(image: Tensor, allocate: Allocate) -> Tensor:
    """Return the transformed tiles, `(4, 4, h, w, C)`, of `(2h + 2, 2w + 2, C)`."""
    height, width, channels = image.shape
    # One buffer holds both the result for the rows and the result for the columns.
    pairs = height // 2 - 1, width // 2 - 1
    rows_size = 4 * pairs[0] * width * channels
    both = allocate(rows_size + 16 * pairs[0] * pairs[1] * channels)
    rows = _spread_along(image, 0, both[:rows_size].view(4, pairs[0], width, channels))
    return _spread_along(rows, 2, both[rows_size:].view(4, 4, *pairs, channels))


def _spread_along(images: Tensor, axis: int, spread: Tensor) -> Tensor:
    a, b, c, d = (_every_second(images, axis, start) for start in range(4))
    torch.sub(a, c, out=spread[0])
    torch.add(b, c, out=spread[1])
    torch.sub(c, b, out=spread[2])
    torch.sub(d, b, out=spread[3])
    return spread


def _every_second(images: Tensor, axis: int, start: int) -> Tensor:
    pairs = (images.shape[axis] - 2) // 2
    return images[(slice(None),) * axis + (slice(start, start + 2 * pairs - 1, 2),)]


def _gather(products: Tensor, image: Tensor, allocate: Allocate) -> None:
    """Transform `(4, 4, h, w, K)` back into `(2h, 2w, K)`, written to `image`."""
    _, _, height, width, channels = products.shape
    rows = allocate(4, height, width, 2, channels)
    _gather_pairs(products, rows[..., 0, :], rows[..., 1, :])
    columns = image.view(height, 2, 2 * width, channels)
    _gather_pairs(rows.view(4, height, 2 * width, channels), columns[:, 0], columns[:, 1])


def _gather_pairs(products: Tensor, even: Tensor, odd: Tensor) -> None:
    a, b, c, d = products
    torch.add(b, c, out=even).add_(a)
    torch.sub(b, c, out=odd).add_(d)


def _spread_gradient(image: Tensor, allocate: Allocate) -> Tensor:
    """Return `(4, 4, h, w, K)` for `(2h, 2w, K)`: the transpose of `_gather`."""
    height, width, channels = image.shape[0] // 2, image.shape[1] // 2, image.shape[2]
    rows_size = 4 * height * 2 * width * channels
    both = allocate(rows_size + 16 * height * width * channels)
    rows = _spread_pairs(image[0::2], image[1::2], both[:rows_size].view(4, height, 2 * width, channels))
    return _spread_pairs(rows[:, :, 0::2], rows[:, :, 1::2], both[rows_size:].view(4, 4, height, width, channels))


def _spread_pairs(even: Tensor, odd: Tensor, spread: Tensor) -> Tensor:
    spread[0].copy_(even)
    torch.add(even, odd, out=spread[1])
    torch.sub(even, odd, out=spread[2])
    spread[3].copy_(odd)
    return spread


def _gather_gradient(products: Tensor, image: Tensor, allocate: Allocate) -> None:
    """Add the gradient of `(4, 4, h, w, C)` to `image`, `(2h + 2, 2w + 2, C)`: the transpose of `_spread`."""
    _, _, height, width, channels = products.shape
    rows = allocate(4, height, 2 * width + 2, channels).zero_()
    _add_tiles(products, rows, axis=2)
    _add_tiles(rows, image, axis=0)


def _add_tiles(products: Tensor, images: Tensor, axis: int) -> None:
    a, b, c, d = products
    parts = (_every_second(images, axis, start) for start in range(4))
    next(parts).add_(a)
    next(parts).add_(b).sub_(c).sub_(d)
    next(parts).add_(b).add_(c).sub_(a)
    next(parts).add_(d)


def _filters(weight: Tensor) -> Tensor:
    """Return the transform of a weight, `(16, 9)`, with the columns of a tile first, as in `_spread`."""
    filters = weight.new_tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    return torch.einsum("xj,yi->xyij", filters, filters).reshape(16, 9)


def _spread_weight(weight: Tensor) -> Tensor:
    """Return the transformed weight, `(16, K, C)`, of `(K, C, 3, 3)`."""
    return (_filters(weight) @ weight.reshape(-1, 9).t()).view(16, *weight.shape[:2])


def _gather_weight_gradient(matrices: Tensor, weight: Tensor) -> Tensor:
    return (matrices.view(16, -1).t() @ _filters(weight)).view(weight.shape)

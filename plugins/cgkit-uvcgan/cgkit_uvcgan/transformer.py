"""A vision transformer whose tokens are the pixels of a feature map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PixelwiseVisionTransformer(nn.Module):
    """The bottleneck of UVCGAN (Torbunov et al., 2023): every pixel of a feature map is a token.

    The features of a pixel are concatenated with its positional embedding and projected to the token width; after the
    blocks, each token is projected back. UVCGANv2 (arXiv 2303.16280) adds a learned token that belongs to no pixel;
    its output is a style that describes the whole image.

    Args:
        channels: number of channels of the feature map.
        width: size of a token.
        blocks: number of transformer blocks.
        heads: number of attention heads; must divide `width`.
        feed_forward: hidden width of the feed-forward layers.
        positions: size of the positional embedding.
        styled: whether to add the style token.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int,
        blocks: int,
        heads: int,
        feed_forward: int,
        positions: int,
        styled: bool,
    ) -> None:
        super().__init__()
        self.positions = FourierPositions(positions)
        self.inward = nn.Linear(positions + channels, width)
        self.style_token = nn.Parameter(torch.randn(1, 1, width)) if styled else None
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, feed_forward) for _ in range(blocks))
        self.outward = nn.Linear(width, channels)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the transformed features, `(N, channels, H, W)` as before, and the style, `(N, width)` or None."""
        count, _, height, width = features.shape
        pixels = features.flatten(2).transpose(1, 2)
        positions = self.positions(height, width).to(pixels.dtype).expand(count, -1, -1)
        tokens = self.inward(torch.cat((positions, pixels), 2))
        if self.style_token is not None:
            tokens = torch.cat((tokens, self.style_token.to(tokens.dtype).expand(count, -1, -1)), 1)
        for block in self.blocks:
            tokens = block(tokens)
        style = tokens[:, -1] if self.style_token is not None else None
        pixels = self.outward(tokens[:, : height * width])
        return pixels.transpose(1, 2).unflatten(2, (height, width)), style


class FourierPositions(nn.Module):
    """Learned Fourier features of a pixel's coordinates (Anokhin et al., 2021, as used in UVCGAN).

    The coordinates are those of pixel centres in a map that extends from -1 to 1, so that they are comparable between
    maps of different sizes.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mixture = nn.Linear(2, width)

    def forward(self, height: int, width: int) -> Tensor:
        """Return the embeddings of all pixels, row by row: `(1, height * width, positions)`."""
        weight = self.mixture.weight
        y, x = (
            (2 * torch.arange(side, dtype=weight.dtype, device=weight.device) + 1) / side - 1
            for side in (height, width)
        )
        coordinates = torch.stack(torch.meshgrid(x, y, indexing="xy"), 2)
        return torch.sin(self.mixture(coordinates.view(1, height * width, 2)))


class TransformerBlock(nn.Module):
    """A pre-norm transformer block that is the identity at initialisation.

    Both residual branches are multiplied by a learned scalar that is initialised to zero (ReZero; Bachlechner et al.,
    2021).
    """

    def __init__(self, width: int, heads: int, feed_forward: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), SelfAttention(width, heads))
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, feed_forward), nn.GELU(), nn.Linear(feed_forward, width)
        )
        self.share = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens `(N, tokens, width)` without changing their shape."""
        share = self.share.to(tokens.dtype)
        tokens = tokens + share * self.attention(tokens)
        output: Tensor = tokens + share * self.feed_forward(tokens)
        return output


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al., 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens `(N, tokens, width)` without changing their shape."""
        # Split (N, tokens, 3 * width) into three tensors (N, heads, tokens, width / heads).
        query, key, value = self.inward(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value)
        output: Tensor = self.outward(attended.transpose(1, 2).flatten(2))
        return output

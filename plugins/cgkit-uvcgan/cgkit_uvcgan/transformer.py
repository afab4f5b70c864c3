"""A vision transformer whose tokens are the pixels of a feature map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PixelwiseVisionTransformer(nn.Module):
    """The bottleneck of UVCGAN (Torbunov et al., 2023): every pixel of a feature map is a token.

    A pixel's features and the embedding of its place are joined and mapped to the token's width; after the blocks each
    token is mapped back to the features. UVCGANv2 (arXiv 2303.16280) adds a learned token that belongs to
    no pixel: what the blocks make of it describes the image as a whole.

    Args:
        channels: features of the map.
        width: numbers in a token.
        blocks: transformer blocks.
        heads: attention heads; they divide `width`.
        feed_forward: the hidden width of each block's feed-forward part.
        positions: numbers that describe the place of a pixel.
        styled: whether there is the extra token.
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
        """Return `(N, channels, H, W)` for `(N, channels, H, W)`, and the extra token's `(N, width)`, if any."""
        count, _, height, width = features.shape
        pixels = features.flatten(2).transpose(1, 2)
        places = self.positions(height, width).to(pixels.dtype).expand(count, -1, -1)
        tokens = self.inward(torch.cat((places, pixels), 2))
        if self.style_token is not None:
            tokens = torch.cat((tokens, self.style_token.to(tokens.dtype).expand(count, -1, -1)), 1)
        for block in self.blocks:
            tokens = block(tokens)
        style = tokens[:, -1] if self.style_token is not None else None
        pixels = self.outward(tokens[:, : height * width])
        return pixels.transpose(1, 2).unflatten(2, (height, width)), style


class FourierPositions(nn.Module):
    """Sines of learned mixtures of a pixel's two coordinates (Anokhin et al., 2021, as UVCGAN takes it).

    The coordinates are those of the pixels' centres in a map that reaches from -1 to 1, so that they mean the same at
    every size.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mixture = nn.Linear(2, width)

    def forward(self, height: int, width: int) -> Tensor:
        """Return `(1, height * width, numbers)`, row by row."""
        weight = self.mixture.weight
        down, across = (
            (2 * torch.arange(side, dtype=weight.dtype, device=weight.device) + 1) / side - 1
            for side in (height, width)
        )
        places = torch.stack(torch.meshgrid(across, down, indexing="xy"), 2)
        return torch.sin(self.mixture(places.view(1, height * width, 2)))


class TransformerBlock(nn.Module):
    """Attention and a feed-forward part, each normalised before and, at first, without effect.

    What a part adds is multiplied by one learned number that starts at zero (ReZero; Bachlechner et al., 2021): an
    untrained block is the identity.
    """

    def __init__(self, width: int, heads: int, feed_forward: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), SelfAttention(width, heads))
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, feed_forward), nn.GELU(), nn.Linear(feed_forward, width)
        )
        self.share = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return `(N, tokens, width)` for `(N, tokens, width)`."""
        share = self.share.to(tokens.dtype)
        tokens = tokens + share * self.attention(tokens)
        changed: Tensor = tokens + share * self.feed_forward(tokens)
        return changed


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al., 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return `(N, tokens, width)` for `(N, tokens, width)`."""
        # (N, tokens, 3 * width) to three of (N, heads, tokens, width / heads)
        query, key, value = self.inward(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value)
        mixed: Tensor = self.outward(attended.transpose(1, 2).flatten(2))
        return mixed

"""Best partners of the vectors of two sets without their products in memory, and the gradients.

Forward, a program multiplies some rows of one image with all words of one text, block by block; it
keeps the best word of each row, and for each word the best among its rows, which torch then joins
over the few programs of an image. Backward, a program collects what some vectors of a set get from
all other sets: the sparse matrix of who was whose best is made anew in registers, a tile at a time,
so nothing is added atomically and the sums are the same in every run.
"""
# ruff: noqa: ANN001, ANN201, N803, PLR0913, PLR0917 - pointers, sizes, CONSTANTS
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from ovdet.ops.kernels import interprets, on_device
from ovdet.ops.token_max_sim import Four, Gains, place_type, shares

ROWS = 64  # patches a program compares
_COLUMNS, _WIDTH = 64, 32  # words, and numbers of a vector, at a time


@triton.jit
def find_kernel(
    row_sum, row_place, column_best, column_place, patches, words, patch_mask, word_mask,
    row_share, texts, first, second, width, blocks,
    PATCH_MASK: tl.constexpr, WORD_MASK: tl.constexpr, PRECISION: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Find the best word of some rows, and the best of these rows for each word."""
    text = tl.program_id(0).to(tl.int64) % texts
    image = tl.program_id(0).to(tl.int64) // texts
    block = tl.program_id(1)
    row = block * ROWS + tl.arange(0, ROWS)
    lane = tl.arange(0, WIDTH)
    real = row < first
    told = real
    if PATCH_MASK:
        told = real & (tl.load(patch_mask + image * first + row, real, 0) != 0)
    best = tl.full([ROWS], float("-inf"), tl.float32)
    found = tl.zeros([ROWS], tl.int32)
    for start in range(0, second, COLUMNS):
        column = start + tl.arange(0, COLUMNS)
        there = column < second
        counted = there
        if WORD_MASK:
            counted = there & (tl.load(word_mask + text * second + column, there, 0) != 0)
        products = tl.zeros([ROWS, COLUMNS], tl.float32)
        for part in range(0, width, WIDTH):
            own = lane + part < width
            spot = (image * first + row)[:, None] * width + (part + lane)[None, :]
            left = tl.load(patches + spot, real[:, None] & own[None, :], 0.0)
            spot = (text * second + column)[None, :] * width + (part + lane)[:, None]
            right = tl.load(words + spot, there[None, :] & own[:, None], 0.0)
            products = tl.dot(left, right, products, input_precision=PRECISION)
        products = tl.where(told[:, None] & counted[None, :], products, float("-inf"))
        most, place = tl.max(products, axis=1, return_indices=True)
        found = tl.where(most > best, start + place, found)
        best = tl.maximum(most, best)
        most, place = tl.max(products, axis=0, return_indices=True)
        spot = ((image * texts + text) * blocks + block) * second + column
        tl.store(column_best + spot, most, there)
        tl.store(
            column_place + spot, (block * ROWS + place).to(column_place.dtype.element_ty), there
        )
    spot = (image * first + row) * texts + text
    tl.store(row_place + spot, found.to(row_place.dtype.element_ty), real)
    share = tl.load(row_share + image * first + row, real, 0.0)
    best = tl.where(best == float("-inf"), 0.0, best)
    tl.store(row_sum + (image * texts + text) * blocks + block, tl.sum(best * share, axis=0))


@triton.jit
def spread_kernel(
    out, others, for_row, for_column, row_share, column_share, row_place, column_place,
    sets, rows, columns, width, own_step, set_step, row_own, row_row, row_set,
    column_own, column_column, column_set,
    PRECISION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Sum what some vectors of one set get from those that were their best, or whose they were."""
    own = tl.program_id(0).to(tl.int64)
    row = (tl.program_id(1) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    lane = tl.program_id(2) * WIDTH + tl.arange(0, WIDTH)
    real, within = row < rows, lane < width
    part = tl.load(row_share + own * rows + row, real, 0.0)
    total = tl.zeros([ROWS, WIDTH], tl.float32)
    for other in range(sets):
        by_row = part * tl.load(for_row + own * own_step + other * set_step)
        by_column = tl.load(for_column + own * own_step + other * set_step)
        chosen = tl.load(row_place + own * row_own + row * row_row + other * row_set, real, -1).to(
            tl.int32
        )
        for start in range(0, columns, COLUMNS):
            column = (start + tl.arange(0, COLUMNS)).to(tl.int64)
            there = column < columns
            spot = own * column_own + column * column_column + other * column_set
            choice = tl.load(column_place + spot, there, -1).to(tl.int32)
            given = by_column * tl.load(column_share + other * columns + column, there, 0.0)
            mine = chosen[:, None] == column[None, :]
            its = choice[None, :] == row[:, None]
            weight = tl.where(mine, by_row[:, None], 0.0) + tl.where(its, given[None, :], 0.0)
            spot = (other * columns + column)[:, None] * width + lane[None, :]
            vectors = tl.load(others + spot, there[:, None] & within[None, :], 0.0)
            total = tl.dot(weight, vectors.to(tl.float32), total, input_precision=PRECISION)
    spot = (own * rows + row)[:, None] * width + lane[None, :]
    tl.store(out + spot, total.to(out.dtype.element_ty), real[:, None] & within[None, :])


def find_best(
    patches: Tensor, words: Tensor, patch_mask: Tensor | None, word_mask: Tensor | None
) -> Four:
    """Return both means [B, N], float32, and the places: words [B, P, N], patches [B, N, T].

    Args:
        patches: [B, P, D], of one type with the words, not float64.
        words: [N, T, D].
        patch_mask: [B, P], bool, or None.
        word_mask: [N, T], bool, or None.
    """
    (batch, first, width), (texts, second, _) = patches.shape, words.shape
    kept, blocks = place_type(patches, words), triton.cdiv(first, ROWS)
    if interprets():  # it would multiply the bits of bfloat16 as integers
        patches, words = patches.float(), words.float()
    sums = patches.new_empty(batch, texts, blocks, dtype=torch.float32)
    best = patches.new_empty(batch, texts, blocks, second, dtype=torch.float32)
    places = patches.new_empty(best.shape, dtype=kept)
    word_of = patches.new_empty(batch, first, texts, dtype=kept)
    share = shares(patches, patch_mask).contiguous()
    with on_device(patches):
        find_kernel[batch * texts, blocks](
            sums, word_of, best, places, patches.contiguous(), words.contiguous(),
            _bytes(patch_mask, sums), _bytes(word_mask, sums), share,
            texts, first, second, width, blocks, PATCH_MASK=patch_mask is not None,
            WORD_MASK=word_mask is not None, PRECISION=_precision(), ROWS=ROWS,
            COLUMNS=_COLUMNS, WIDTH=_WIDTH,
        )  # fmt: skip
    by_word, block = best.max(dim=2)  # [B, N, T]
    patch_of = places.gather(2, block[:, :, None])[:, :, 0]
    by_word = by_word.masked_fill(by_word == -torch.inf, 0)  # where nothing is real
    return sums.sum(dim=2), (by_word * shares(words, word_mask)).sum(dim=2), word_of, patch_of


def spread_best(
    patches: Tensor, words: Tensor, gains: Gains, needed: Sequence[bool]
) -> list[Tensor]:
    """Return the gradients of patches and words, those that are needed.

    Args:
        patches: [B, P, D].
        words: [N, T, D].
        gains: What the means' gradients are and where they go.
        needed: Of patches and words, whether their gradient is asked for.
    """
    for_image, for_text, patch_share, word_share, word_of, patch_of = (
        part.contiguous() for part in gains
    )
    texts, words_at, patches_at = len(words), word_of.stride(), patch_of.stride()
    found = []
    if needed[0]:
        strides = (texts, 1, *words_at, patches_at[0], patches_at[2], patches_at[1])
        tables = (for_image, for_text, patch_share, word_share, word_of, patch_of)
        found.append(_collect(patches, words, tables, strides))
    if needed[1]:
        strides = (1, texts, patches_at[1], patches_at[2], patches_at[0])
        strides = (*strides, words_at[2], words_at[1], words_at[0])
        tables = (for_text, for_image, word_share, patch_share, patch_of, word_of)
        found.append(_collect(words, patches, tables, strides))
    return found


def _collect(
    own: Tensor, others: Tensor, tables: tuple[Tensor, ...], strides: tuple[int, ...]
) -> Tensor:
    count, rows, width = own.shape
    out = torch.empty(own.shape, dtype=own.dtype, device=own.device)
    tall = min(ROWS, max(16, triton.next_power_of_2(rows)))
    wide = min(64, max(16, triton.next_power_of_2(width)))
    with on_device(own):
        spread_kernel[count, triton.cdiv(rows, tall), triton.cdiv(width, wide)](
            out, others.contiguous(), *tables, len(others), rows, others.shape[1], width,
            *strides, PRECISION=_precision(), ROWS=tall, COLUMNS=_COLUMNS, WIDTH=wide,
        )  # fmt: skip
    return out


def _bytes(mask: Tensor | None, other: Tensor) -> Tensor:
    """Return a mask as bytes; anything where there is none, since it is not read then."""
    return other if mask is None else mask.contiguous().view(torch.uint8)


def _precision() -> str:
    return "tf32" if torch.backends.cuda.matmul.allow_tf32 else "ieee"

// Sliding windows, both ways: a fold over the pixels of each window, and the sum of what windows send to each pixel.
//
// A block takes one row at a time. The windows of most nets (2x2 and 3x3) are unrolled, K cells wide and S pixels apart, and
// where all of a window lies on the plane nothing is checked: so a CPU's compiler takes several columns at once.
#pragma once

#include "index.h"

__device__ bool unrolled(const Windows& w, int64 kernel, int64 stride)
{
    return w.kernel.h == kernel && w.kernel.w == kernel && w.stride.h == stride && w.stride.w == stride
        && w.dilation.h == 1 && w.dilation.w == 1;
}

// ---- forward: each window's real pixels, in raster order ------------------------------------------------------------

// Fold: what to do with the pixels of one window: take(cell, value) for each, then store(window).
template <int K, int S, typename Fold, typename T>
__device__ void fold_whole(Fold fold, const T* plane, int64 oh, int64 ow, const Windows& w)
{
    const T* corner = plane + (oh * S - w.pad.h) * w.size.w + ow * S - w.pad.w;
    UNROLLED
    for (int i = 0; i < K; ++i)
        UNROLLED
        for (int j = 0; j < K; ++j)
            fold.take(i * K + j, corner[i * w.size.w + j]);
    fold.store(oh * w.positions.w + ow);
}

template <typename Fold, typename T>
__device__ void fold_clipped(Fold fold, const T* plane, int64 oh, int64 ow, const Windows& w)
{
    const int64 top = oh * w.stride.h - w.pad.h, left = ow * w.stride.w - w.pad.w;
    for (int64 h = greater(top, 0); h < lesser(top + w.kernel.h, w.size.h); ++h)
        for (int64 x = greater(left, 0); x < lesser(left + w.kernel.w, w.size.w); ++x)
            fold.take((h - top) * w.kernel.w + x - left, plane[h * w.size.w + x]);
    fold.store(oh * w.positions.w + ow);
}

template <int K, int S, typename Fold, typename T>
__device__ void fold_row_of(const Fold& fold, const T* plane, int64 oh, const Windows& w)
{
    const bool whole_rows = oh * S >= w.pad.h && oh * S - w.pad.h + K <= w.size.h;
    const Span whole = whole_rows ? within(-w.pad.w, S, w.size.w - K + 1, w.positions.w) : Span{0, 0};
    for (int64 ow = threadIdx.x; ow < whole.first; ow += blockDim.x)
        fold_clipped(fold, plane, oh, ow, w);
    INDEPENDENT
    for (int64 ow = whole.first + threadIdx.x; ow < whole.end; ow += blockDim.x)
        fold_whole<K, S>(fold, plane, oh, ow, w);
    for (int64 ow = whole.end + threadIdx.x; ow < w.positions.w; ow += blockDim.x)
        fold_clipped(fold, plane, oh, ow, w);
}

// The windows of row `oh`, of any size; the plane is not dilated.
template <typename Fold, typename T>
__device__ void fold_any_row(const Fold& fold, const T* plane, int64 oh, const Windows& w)
{
    for (int64 ow = threadIdx.x; ow < w.positions.w; ow += blockDim.x) fold_clipped(fold, plane, oh, ow, w);
}

// The same, those of most nets unrolled.
template <typename Fold, typename T>
__device__ void fold_row(const Fold& fold, const T* plane, int64 oh, const Windows& w)
{
    if (unrolled(w, 3, 2)) return fold_row_of<3, 2>(fold, plane, oh, w);
    if (unrolled(w, 2, 2)) return fold_row_of<2, 2>(fold, plane, oh, w);
    if (unrolled(w, 3, 1)) return fold_row_of<3, 1>(fold, plane, oh, w);
    fold_any_row(fold, plane, oh, w);
}

// ---- backward: what windows send to the pixels under their cells ------------------------------------------------------

// What ROWS rows of windows, of row `oh` and those above it, by their cells' row i, i + S ..., have for the S pixels from padded column
// q * S on: that of the windows q, q - 1 ...
template <int K, int S, int ROWS, typename Sent, typename T>
__device__ void spread_group(const Sent& sent, T* row, int64 q, int64 oh, int64 i, const Windows& w)
{
    UNROLLED
    for (int r = 0; r < S; ++r) {
        T sum = 0;
        UNROLLED
        for (int n = 0; n < ROWS; ++n)
            UNROLLED
            for (int j = r; j < K; j += S) sum += sent((i + n * S) * K + j, (oh - n) * w.positions.w + q - j / S);
        row[q * S + r - w.pad.w] = sum;
    }
}

// And for a pixel at the plane's edge, where some of these windows may not be.
template <int K, int S, typename Sent, typename T>
__device__ void spread_pixel(const Sent& sent, T* row, int64 x, int64 oh, int64 i, int64 rows, const Windows& w)
{
    const int64 column = x + w.pad.w;
    T sum = 0;
    for (int64 n = 0; n < rows; ++n)
        for (int64 j = column % S; j < K; j += S) {
            const int64 ow = (column - j) / S;
            if (ow >= 0 && ow < w.positions.w) sum += sent((i + n * S) * K + j, (oh - n) * w.positions.w + ow);
        }
    row[x] = sum;
}

template <int K, int S, int ROWS, typename Sent, typename T>
__device__ void spread_columns(const Sent& sent, T* row, int64 oh, int64 i, const Windows& w)
{
    const int64 from = greater(divided_up(w.pad.w, S), (K - 1) / S);
    const int64 to = greater(lesser((w.size.w + w.pad.w) / S, w.positions.w), from);
    INDEPENDENT
    for (int64 q = from + threadIdx.x; q < to; q += blockDim.x) spread_group<K, S, ROWS>(sent, row, q, oh, i, w);
    const int64 left = lesser(from * S - w.pad.w, w.size.w), right = to * S - w.pad.w;
    for (int64 x = threadIdx.x; x < left; x += blockDim.x) spread_pixel<K, S>(sent, row, x, oh, i, ROWS, w);
    for (int64 x = right + threadIdx.x; x < w.size.w; x += blockDim.x) spread_pixel<K, S>(sent, row, x, oh, i, ROWS, w);
}

// Any window: cell after cell of its row i. Neighbouring cells meet the same pixels, so threads wait between them.
template <int S, typename Sent, typename T>
__device__ void spread_cells(const Sent& sent, T* row, int64 oh, int64 i, const Windows& w)
{
    const int64 stride = S ? S : w.stride.w;
    for (int64 j = 0; j < w.kernel.w; ++j) {
        const int64 offset = j * w.dilation.w - w.pad.w;
        const Span meeting = within(offset, stride, w.size.w, w.positions.w);
        for (int64 ow = meeting.first + threadIdx.x; ow < meeting.end; ow += blockDim.x)
            row[ow * stride + offset] += sent(i * w.kernel.w + j, oh * w.positions.w + ow);
        __syncthreads();
    }
}

template <typename T>
__device__ void clear_row(T* row, const Windows& w)
{
    for (int64 x = threadIdx.x; x < w.size.w; x += blockDim.x) row[x] = 0;
}

// Windows of row down / S and above meet pixel row h, as far as their cells and they themselves reach.
template <int K, int S, typename Sent, typename T>
__device__ void spread_row_of(const Sent& sent, T* row, int64 h, const Windows& w)
{
    constexpr int MOST = (K + S - 1) / S;
    static_assert(MOST <= 3, "rows that meet a pixel");
    const int64 down = h + w.pad.h, lowest = lesser(down / S, w.positions.h - 1), i = down - lowest * S;
    const int64 rows = lesser(divided_up(K - i, S), lowest + 1);
    if constexpr (MOST == 3)
        if (rows == 3) return spread_columns<K, S, 3>(sent, row, lowest, i, w);
    if constexpr (MOST >= 2)
        if (rows == 2) return spread_columns<K, S, 2>(sent, row, lowest, i, w);
    if (rows == 1) return spread_columns<K, S, 1>(sent, row, lowest, i, w);
    clear_row(row, w);
}

// Pixel row h: the sum of sent(cell, window) over all windows that meet a pixel, in raster order of the cells that do.
template <typename Sent, typename T>
__device__ void spread_any_row(const Sent& sent, T* row, int64 h, const Windows& w)
{
    clear_row(row, w);
    for (int64 i = 0; i < w.kernel.h; ++i) {
        const int64 down = h + w.pad.h - i * w.dilation.h, oh = down / w.stride.h;
        if (down < 0 || down % w.stride.h != 0 || oh >= w.positions.h) continue;
        __syncthreads();
        if (w.stride.w == 1) spread_cells<1>(sent, row, oh, i, w);
        else spread_cells<0>(sent, row, oh, i, w);
    }
}

// The same, the windows of most nets unrolled.
template <typename Sent, typename T>
__device__ void spread_row(const Sent& sent, T* row, int64 h, const Windows& w)
{
    if (unrolled(w, 3, 2)) return spread_row_of<3, 2>(sent, row, h, w);
    if (unrolled(w, 2, 2)) return spread_row_of<2, 2>(sent, row, h, w);
    if (unrolled(w, 3, 1)) return spread_row_of<3, 1>(sent, row, h, w);
    spread_any_row(sent, row, h, w);
}

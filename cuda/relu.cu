// ReLU, and what its rules make of a signal on the way back:
//
//     forward      y = max(x, 0) + slope min(x, 0)            max(NaN, 0) is NaN
//     gradient     dx = dy where y > 0, slope dy elsewhere
//     guided       the gradient of max(dy, 0)                 Springenberg et al., Striving for Simplicity, 2014, §3.4
//     deconvnet    dx = max(dy, 0): the forward kernel        Zeiler and Fergus, 2013, §2.1
//
// Backward, K targets share one y.

#include "index.h"

// There may be gaps between rows: from one to the next it is so far. A block: one tile of one row.
template <typename T>
__global__ void relu(const T* __restrict__ x, T* __restrict__ y, int64 rows, int64 size, int64 apart, int64 apart_after, T slope)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const T* below = x + row * apart;
        T* above = y + row * apart_after;
        const Span part = tile(number % tiles, size);
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x) {
            const T positive = below[i] < 0 ? T(0) : below[i], negative = below[i] > 0 ? T(0) : below[i];
            above[i] = slope == 0 ? positive : positive + slope * negative;
        }
    }
}

// The same for a signal, whose targets share the rows of `known`: the top or the bottom, whichever tells the sign. `guided`: 0 or 1.
template <typename T>
__global__ void relu_gradient(
    const T* __restrict__ signal, const T* __restrict__ known, T* __restrict__ to, int64 rows, int64 rows_of_known,
    int64 size, int64 apart, int64 apart_known, T slope, int64 guided)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const T *whole = signal + row * apart, *telling = known + row % rows_of_known * apart_known;
        const Span part = tile(number % tiles, size);
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x) {
            const T passing = guided && whole[i] < 0 ? T(0) : whole[i];
            to[row * size + i] = passing * (telling[i] > 0 ? T(1) : slope);
        }
    }
}

// ReLU, and what its rules make of a signal on the way back:
//
//     forward      y = max(x, 0) + slope min(x, 0)            max(NaN, 0) is NaN
//     gradient     dx = dy where y > 0, slope dy elsewhere
//     guided       the gradient of max(dy, 0)                 Springenberg et al., Striving for Simplicity, 2014, §3.4
//     deconvnet    dx = max(dy, 0): the forward kernel        Zeiler and Fergus, 2013, §2.1
//
// Backward, K targets share one y.

#include "index.h"

// A block: one tile.
template <typename T>
__global__ void relu(const T* __restrict__ x, T* __restrict__ y, int64 size, T slope)
{
    for (int64 number = blockIdx.x; number * TILE < size; number += gridDim.x) {
        const Span part = tile(number, size);
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x) {
            const T positive = x[i] < 0 ? T(0) : x[i], negative = x[i] > 0 ? T(0) : x[i];
            y[i] = slope == 0 ? positive : positive + slope * negative;
        }
    }
}

// A block: one tile of one row; the signal's lie `apart` from each other, and targets share those of `known`: the top or the bottom,
// whichever tells the sign. `guided`: 0 or 1.
template <typename T>
__global__ void relu_gradient(
    const T* __restrict__ signal, const T* __restrict__ known, T* __restrict__ to, int64 rows, int64 rows_of_known,
    int64 size, int64 apart, T slope, int64 guided)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const T *whole = signal + row * apart, *telling = known + row % rows_of_known * size;
        const Span part = tile(number % tiles, size);
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x) {
            const T passing = guided && whole[i] < 0 ? T(0) : whole[i];
            to[row * size + i] = passing * (telling[i] > 0 ? T(1) : slope);
        }
    }
}

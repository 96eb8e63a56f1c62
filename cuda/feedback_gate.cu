// The feedback layer of Look and Think Twice (2015), one gate z per neuron, and the soft step of its gates:
//
//     forward               y = z x
//     gradient              dS/dx = z dS/dy, below the ReLU that made x if it is wanted there: z dS/dy [x > 0]
//                           g = dS/dz = x dS/dy, and the mean of |g| over the layer, for each image and target
//     soft step, eq. 6      z <- clip(z + alpha (g / unit - lambda), 0, 1),   unit = mean |g|, or 1

#include "index.h"

// (targets, size) times (size). A block: one tile of one target.
template <typename T>
__global__ void gate(const T* __restrict__ many, const T* __restrict__ one, T* __restrict__ product, int64 targets, int64 size)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < targets * tiles; number += gridDim.x) {
        const int64 target = number / tiles * size;
        const Span part = tile(number % tiles, size);
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x)
            product[target + i] = many[target + i] * one[i];
    }
}

// Both gradients for (targets, images, size), where the targets may share x and the signal's rows lie `apart` from each other, and the
// sums of |g| over each tile of each row: added in double precision, so that a mean over a layer keeps its digits. A block: one tile of
// one image under one target.
template <typename T>
__global__ void gate_gradient(
    const T* __restrict__ x, const T* __restrict__ z, const T* __restrict__ signal, T* __restrict__ down, T* __restrict__ g,
    T* __restrict__ sums, int64 rows_of_x, int64 rows, int64 size, int64 apart, int64 rectified)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const T *active = x + row % rows_of_x * size, *gates = z + row * size, *arriving = signal + row * apart;
        const Span part = tile(number % tiles, size);
        double sum = 0;
        SUMMING(sum)
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x) {
            const T product = active[i] * arriving[i];
            g[row * size + i] = product;
            down[row * size + i] = arriving[i] * gates[i] * (rectified && !(active[i] > 0) ? T(0) : T(1));
            sum += product < 0 ? -product : product;
        }
        sum = sum_of_block(sum);
        if (threadIdx.x == 0) sums[number] = T(sum);
    }
}

// `g` (rows, size) becomes the next gates. A block: one tile of one row; `sums` as above, rate = alpha, cost = alpha lambda.
template <typename T>
__global__ void soft_step(
    const T* __restrict__ z, const T* __restrict__ sums, T rate, T cost, T* __restrict__ g, int64 rows, int64 size, int64 normalised)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        double total = 0;
        for (int64 i = row * tiles; i < (row + 1) * tiles; ++i) total += sums[i];
        const T unit = normalised ? T(total / size) : T(1), factor = rate / (unit == 0 ? T(1) : unit);
        const Span part = tile(number % tiles, size);
        for (int64 i = row * size + part.first + threadIdx.x; i < row * size + part.end; i += blockDim.x) {
            const T moved = g[i] * factor + z[i] - cost;
            const T raised = moved < 0 ? T(0) : moved;
            g[i] = raised > 1 ? T(1) : raised;
        }
    }
}

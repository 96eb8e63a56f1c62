// The feedback layer of Look and Think Twice (2015), one gate z per neuron, and the soft step of its gates:
//
//     forward, gradients    y = z x,   dS/dx = z dS/dy,   dS/dz = x dS/dy: one product each
//     soft step, eq. 6      z <- clip(z + alpha (g / unit - lambda), 0, 1),   g = dS/dz,   unit = mean |g| per image and target

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

// The sum of |g| over each tile of each row, (rows, tiles), added in double precision: a mean over a layer keeps its digits.
template <typename T>
__global__ void magnitudes(const T* __restrict__ g, T* __restrict__ sums, int64 rows, int64 size)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const T* row = g + number / tiles * size;
        const Span part = tile(number % tiles, size);
        double sum = 0;
        SUMMING
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x)
            sum += row[i] < 0 ? -row[i] : row[i];
        sum = sum_of_block(sum);
        if (threadIdx.x == 0) sums[number] = T(sum);
    }
}

// `g` (rows, size) becomes the next gates. A block: one tile of one row; factor = alpha / unit of the row, cost = alpha lambda.
template <typename T>
__global__ void soft_step(const T* __restrict__ z, const T* __restrict__ factor, T cost, T* __restrict__ g, int64 rows, int64 size)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const Span part = tile(number % tiles, size);
        for (int64 i = row * size + part.first + threadIdx.x; i < row * size + part.end; i += blockDim.x) {
            const T moved = g[i] * factor[row] + z[i] - cost;
            const T raised = moved < 0 ? T(0) : moved;
            g[i] = raised > 1 ? T(1) : raised;
        }
    }
}

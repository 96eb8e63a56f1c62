// The feedback layer of Look and Think Twice (2015), one gate z per neuron, and the soft step of its gates:
//
//     forward               y = z x
//     gradient              dS/dx = z dS/dy, below the ReLU that made x if it is wanted there: z dS/dy [x > 0]
//                           g = dS/dz = x dS/dy, and the mean of |g| over the layer, for each image and target
//     soft step, eq. 6      z <- clip(z + alpha (g / unit - lambda), 0, 1),   unit = mean |g|, or 1;   and dS/dx under the gates as they
//                           were, so that one reading serves both, and g need not be stored

#include "index.h"

// Rows times rows, of which targets share those of `one`. There may be gaps between rows: from one to the next it is so far. A block:
// one tile of one row.
template <typename T>
__global__ void gate(
    const T* __restrict__ many, const T* __restrict__ one, T* __restrict__ product, int64 rows, int64 rows_of_one, int64 size,
    int64 apart, int64 apart_one, int64 apart_after)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const T *factor = many + row * apart, *own = one + row % rows_of_one * apart_one;
        T* result = product + row * apart_after;
        const Span part = tile(number % tiles, size);
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x) result[i] = factor[i] * own[i];
    }
}

// dS/dx = z dS/dy over a tile, `rectified`: below the ReLU that made x.
template <typename T>
__device__ void hand_down(
    const T* __restrict__ x, const T* __restrict__ z, const T* __restrict__ signal, const Span& part, int64 rectified, T* __restrict__ down)
{
    for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x)
        down[i] = signal[i] * z[i] * (rectified && !(x[i] > 0) ? T(0) : T(1));
}

// g = x signal over a tile, KEPT or not, and the sum of |g|: in double precision, so that a mean over a layer keeps its digits.
template <bool KEPT, typename T>
__device__ double magnitude(const T* __restrict__ x, const T* __restrict__ signal, const Span& part, T* __restrict__ g)
{
    double sum = 0;
    SUMMING(sum)
    for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x) {
        const T product = x[i] * signal[i];
        if constexpr (KEPT) g[i] = product;
        sum += product < 0 ? -product : product;
    }
    return sum_of_block(sum);
}

// Both gradients for (targets, images, size), where the targets may share x, and there may be gaps between the rows of x and of the
// signal; and the sums of |g| over each tile of each row. `down` is null where nobody waits for dS/dx. A block: one tile of one image
// under one target.
template <typename T>
__global__ void gate_gradient(
    const T* __restrict__ x, const T* __restrict__ z, const T* __restrict__ signal, T* __restrict__ down, T* __restrict__ g,
    T* __restrict__ sums, int64 rows_of_x, int64 rows, int64 size, int64 apart_x, int64 apart, int64 rectified)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const T *active = x + row % rows_of_x * apart_x, *gates = z + row * size, *arriving = signal + row * apart;
        const Span part = tile(number % tiles, size);
        T *own = g + row * size, *passed = down + row * size;
        const double sum = magnitude<true>(active, arriving, part, own);
        if (down) hand_down(active, gates, arriving, part, rectified, passed);
        if (threadIdx.x == 0) sums[number] = T(sum);
    }
}

// The sums of |x signal| alone, as above. A block: one tile of one row.
template <typename T>
__global__ void gate_magnitudes(
    const T* __restrict__ x, const T* __restrict__ signal, T* __restrict__ sums, int64 rows_of_x, int64 rows, int64 size, int64 apart_x,
    int64 apart)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const T *active = x + row % rows_of_x * apart_x, *arriving = signal + row * apart;
        const Span part = tile(number % tiles, size);
        const double sum = magnitude<false, T>(active, arriving, part, nullptr);
        if (threadIdx.x == 0) sums[number] = T(sum);
    }
}

// The gates `z` (rows, size) after the step, and how many of each tile have moved; before it `down`, as above. A block: one tile of
// one row; `sums` (rows, parts) of |g|, rate = alpha, cost = alpha lambda.
template <typename T>
__global__ void soft_step(
    const T* __restrict__ x, const T* __restrict__ signal, const T* __restrict__ sums, T rate, T cost, T* __restrict__ down,
    T* __restrict__ z, T* __restrict__ moved, int64 rows_of_x, int64 rows, int64 size, int64 parts, int64 apart_x, int64 apart,
    int64 normalised, int64 rectified)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        double total = 0;
        for (int64 i = row * parts; i < (row + 1) * parts; ++i) total += sums[i];
        const T unit = normalised ? T(total / size) : T(1), factor = rate / (unit == 0 ? T(1) : unit);
        const T *active = x + row % rows_of_x * apart_x, *arriving = signal + row * apart;
        T *gates = z + row * size, *passed = down + row * size;
        const Span part = tile(number % tiles, size);
        if (down) hand_down(active, gates, arriving, part, rectified, passed);
        T count = 0;
        SUMMING(count)
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x) {
            const T before = gates[i], step = active[i] * arriving[i] * factor + before - cost;
            const T raised = step < 0 ? T(0) : step;
            gates[i] = raised > 1 ? T(1) : raised;
            count += gates[i] == before ? T(0) : T(1);
        }
        const double all = sum_of_block(count);
        if (threadIdx.x == 0) moved[number] = T(all);
    }
}

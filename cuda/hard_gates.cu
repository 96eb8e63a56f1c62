// Gates of 0 and 1, opened by what arrives at them, a = dS/dy, where it is above a threshold: one number for each image and
// target, such as the mean of what is positive
//
//     pruning      z <- z [a > threshold]                      Feedback CNN (TPAMI 2018), Algorithm 2
//     recovery     z = [a > threshold],     a <- z a           Algorithm 1
//     hard step    z <- z [a > threshold],  a <- z a           Deep Feedback (draft of Look and Think Twice), §3.2
//     opening      z = [a > threshold]                         where a ReLU is active, or soft gates are made hard
//
// All arrays are (rows, size), with a row for each image under each target. A block: one tile of one row.

#include "index.h"

template <typename T>
__device__ T gate_of(T a, T threshold) { return a > threshold ? T(1) : T(0); }

// The sum of what is positive in each tile of each row, and behind them all how many those are: (2, rows, tiles).
template <typename T, typename Sum>
__global__ void positive_sums(const T* __restrict__ a, Sum* __restrict__ sums, int64 rows, int64 size)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const T* row = a + number / tiles * size;
        const Span part = tile(number % tiles, size);
        double sum = 0, count = 0;
        SUMMING(sum, count)
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x) {
            sum += row[i] > 0 ? row[i] : T(0);
            count += row[i] > 0 ? T(1) : T(0);
        }
        sum = sum_of_block(sum);
        count = sum_of_block(count);
        if (threadIdx.x != 0) continue;
        sums[number] = sum;
        sums[rows * tiles + number] = count;
    }
}

template <typename T>
__global__ void prune(
    const T* __restrict__ z, const T* __restrict__ a, const T* __restrict__ threshold, T* __restrict__ gates, int64 rows, int64 size)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const Span part = tile(number % tiles, size);
        for (int64 i = row * size + part.first + threadIdx.x; i < row * size + part.end; i += blockDim.x)
            gates[i] = z[i] * gate_of(a[i], threshold[row]);
    }
}

template <typename T>
__global__ void opened(const T* __restrict__ a, const T* __restrict__ threshold, T* __restrict__ gates, int64 rows, int64 size)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const Span part = tile(number % tiles, size);
        for (int64 i = row * size + part.first + threadIdx.x; i < row * size + part.end; i += blockDim.x)
            gates[i] = gate_of(a[i], threshold[row]);
    }
}

template <typename T>
__global__ void recover(
    const T* __restrict__ a, const T* __restrict__ threshold, T* __restrict__ gates, T* __restrict__ carried, int64 rows, int64 size)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const Span part = tile(number % tiles, size);
        for (int64 i = row * size + part.first + threadIdx.x; i < row * size + part.end; i += blockDim.x) {
            const T open = gate_of(a[i], threshold[row]);
            gates[i] = open;
            carried[i] = open * a[i];
        }
    }
}

template <typename T>
__global__ void hard_step(
    const T* __restrict__ z, const T* __restrict__ a, const T* __restrict__ threshold, T* __restrict__ gates, T* __restrict__ carried,
    int64 rows, int64 size)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const Span part = tile(number % tiles, size);
        for (int64 i = row * size + part.first + threadIdx.x; i < row * size + part.end; i += blockDim.x) {
            const T open = z[i] * gate_of(a[i], threshold[row]);
            gates[i] = open;
            carried[i] = open * a[i];
        }
    }
}

// How a unit's mass, or relevance, is shared out in proportion to what its inputs add to z: excitation backprop (Zhang et al., 2016,
// eq. 5), and, with an epsilon, layer-wise relevance propagation (Bach et al., 2015, eq. 58)
//
//     share           P / (z + epsilon sign z), where sign 0 is 1; 0 where that is exactly 0
//     portion    c a P / z: a sum of blobs, z = sum c a, hands to each of them what it added
//
// The targets share z and a: masses are (targets, size). What comes back through weights is multiplied by a with feedback_gate's
// product, and what comes back from averages in average_pool.cu.

#include "index.h"

template <typename T>
__device__ T quotient(T mass, T z, T epsilon)
{
    const T kept_off = z + (z >= 0 ? epsilon : -epsilon);
    const T alive = kept_off == 0 ? T(0) : T(1);
    return mass / (kept_off == 0 ? T(1) : kept_off) * alive;
}

// Masses lie in rows, one for each image under each target, `apart` from row to row: they may be a few channels of others. A block:
// one tile of one row.
template <typename T>
__global__ void share(
    const T* __restrict__ mass, const T* __restrict__ z, T* __restrict__ shares, int64 rows, int64 rows_of_z, int64 size, int64 apart, T epsilon)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const T *whole = mass + row * apart, *all = z + row % rows_of_z * size;
        const Span part = tile(number % tiles, size);
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x)
            shares[row * size + i] = quotient(whole[i], all[i], epsilon);
    }
}

// A block: one tile of one target.
template <typename T>
__global__ void portion(
    const T* __restrict__ mass, const T* __restrict__ z, const T* __restrict__ a, T* __restrict__ to, int64 targets, int64 size,
    T coefficient)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < targets * tiles; number += gridDim.x) {
        const int64 target = number / tiles * size;
        const Span part = tile(number % tiles, size);
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x)
            to[target + i] = coefficient * a[i] * quotient(mass[target + i], z[i], T(0));
    }
}

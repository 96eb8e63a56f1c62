// Excitation backprop, eq. 5 of Zhang et al. (2016): what a unit of mass P_j hands on is shared by z_j = sum_i w+_ij a_i
//
//     share    P / z, and 0 where z is exactly 0: no epsilon
//
// The targets share one z: masses are (targets, size). What comes back through w+ is multiplied by a with feedback_gate's product.

#include "index.h"

// A block: one tile of one target.
template <typename T>
__global__ void share(const T* __restrict__ mass, const T* __restrict__ z, T* __restrict__ shares, int64 targets, int64 size)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < targets * tiles; number += gridDim.x) {
        const int64 target = number / tiles * size;
        const Span part = tile(number % tiles, size);
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x) {
            const bool dead = z[i] == 0;
            shares[target + i] = mass[target + i] / (dead ? T(1) : z[i]) * T(!dead);
        }
    }
}

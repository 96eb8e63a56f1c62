// Blobs that add up: Eltwise's SUM, the signals of several readers of a blob, and the contrast of two masses
//
//     sum = many + coefficient one
//
// Targets may share `one`.

#include "index.h"

// There may be gaps between the rows of both: from one to the next it is so far. A block: one tile of one row.
template <typename T>
__global__ void add(
    const T* __restrict__ many, const T* __restrict__ one, T* __restrict__ sum, int64 rows, int64 rows_of_one, int64 size, int64 apart,
    int64 apart_one, T coefficient)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles;
        const T *first = many + row * apart, *second = one + row % rows_of_one * apart_one;
        const Span part = tile(number % tiles, size);
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x) sum[row * size + i] = first[i] + coefficient * second[i];
    }
}

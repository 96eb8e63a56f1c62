// Interpolation of maps, along one axis and then the other:
//
//     y[i] = sum_t weight[t, i] x[source[t, i]]
//
// over four neighbours for bicubic (Keys, 1981, a = -1/2), or two for bilinear and nearest. Bicubic overshoots; it is clipped to the
// range of each map, as the authors of excitation backprop do.

#include "index.h"

// What a row (positions) sees of a row `from`.
template <int NEIGHBOURS, typename T, typename Index>
__device__ void resize_row(const T* from, const Index* source, const T* weights, T* to, int64 positions)
{
    INDEPENDENT
    for (int64 i = threadIdx.x; i < positions; i += blockDim.x) {
        T sum = 0;
        UNROLLED
        for (int t = 0; t < NEIGHBOURS; ++t) sum += weights[t * positions + i] * from[source[t * positions + i]];
        to[i] = sum;
    }
}

// Rows (rows, width) become (rows, positions). A block: one row.
template <typename T, typename Index>
__global__ void resize_columns(
    const T* __restrict__ x, const Index* __restrict__ source, const T* __restrict__ weights, T* __restrict__ y, int64 rows, int64 width,
    int64 positions, int64 neighbours)
{
    for (int64 row = blockIdx.x; row < rows; row += gridDim.x) {
        if (neighbours == 4) resize_row<4>(x + row * width, source, weights, y + row * positions, positions);
        if (neighbours == 2) resize_row<2>(x + row * width, source, weights, y + row * positions, positions);
    }
}

// The sum of a plane's rows that `source` names, its entries and the weights `apart` from each other.
template <int NEIGHBOURS, typename T, typename Index>
__device__ void mix_rows(const T* plane, const Index* source, const T* weights, int64 apart, T* to, int64 width)
{
    const T* from[NEIGHBOURS];
    T weight[NEIGHBOURS];
    for (int t = 0; t < NEIGHBOURS; ++t) from[t] = plane + source[t * apart] * width, weight[t] = weights[t * apart];
    INDEPENDENT
    for (int64 i = threadIdx.x; i < width; i += blockDim.x) {
        T sum = 0;
        UNROLLED
        for (int t = 0; t < NEIGHBOURS; ++t) sum += weight[t] * from[t][i];
        to[i] = sum;
    }
}

template <typename T>
__device__ void clip_row(T low, T high, T* row, int64 width)
{
    INDEPENDENT
    for (int64 i = threadIdx.x; i < width; i += blockDim.x) {
        const T raised = row[i] < low ? low : row[i];
        row[i] = raised > high ? high : raised;
    }
}

// Planes (planes, height, width) become (planes, positions, width), and none of their numbers leaves what is between `lowest` and
// `highest` (planes,), unless these are null. A block: one row of one plane.
template <typename T, typename Index>
__global__ void resize_rows(
    const T* __restrict__ x, const Index* __restrict__ source, const T* __restrict__ weights, const T* __restrict__ lowest,
    const T* __restrict__ highest, T* __restrict__ y, int64 planes, int64 height, int64 width, int64 positions, int64 neighbours)
{
    for (int64 row = blockIdx.x; row < planes * positions; row += gridDim.x) {
        const int64 number = row / positions, i = row % positions;
        const T* plane = x + number * height * width;
        T* to = y + row * width;
        if (neighbours == 4) mix_rows<4>(plane, source + i, weights + i, positions, to, width);
        if (neighbours == 2) mix_rows<2>(plane, source + i, weights + i, positions, to, width);
        if (lowest) clip_row(lowest[number], highest[number], to, width);
    }
}

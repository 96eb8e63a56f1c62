// Where each channel has numbers of its own: BatchNorm with stored statistics, and Scale
//
//     normalise_channels    y = (x - mean) / deviation        its gradient: without the mean
//     scale_channels        y = x factor + summand            its gradient: without the summand
//
// An array is (rows, size), and its rows have the numbers of `channels` channels in turn.

#include "index.h"

// `mean` may be null. A block: one tile of one row.
template <typename T>
__global__ void normalise_channels(
    const T* __restrict__ x, const T* __restrict__ mean, const T* __restrict__ deviation, T* __restrict__ y, int64 rows, int64 channels,
    int64 size)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles, channel = row % channels;
        const T centre = mean ? mean[channel] : T(0), unit = deviation[channel];
        const Span part = tile(number % tiles, size);
        for (int64 i = row * size + part.first + threadIdx.x; i < row * size + part.end; i += blockDim.x) y[i] = (x[i] - centre) / unit;
    }
}

// `summand` may be null. A block: one tile of one row.
template <typename T>
__global__ void scale_channels(
    const T* __restrict__ x, const T* __restrict__ factor, const T* __restrict__ summand, T* __restrict__ y, int64 rows, int64 channels,
    int64 size)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < rows * tiles; number += gridDim.x) {
        const int64 row = number / tiles, channel = row % channels;
        const T own = factor[channel], more = summand ? summand[channel] : T(-0.0);  // to which -0 adds up as well
        const Span part = tile(number % tiles, size);
        for (int64 i = row * size + part.first + threadIdx.x; i < row * size + part.end; i += blockDim.x) y[i] = x[i] * own + more;
    }
}

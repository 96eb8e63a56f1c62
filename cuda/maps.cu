// From a signal to a map: all channels of a pixel become one number
//
//     sum             sum_c s_c                  the marginal winning probability
//     positive_sum    max(sum_c s_c, 0)          contrastive excitation backprop
//     max_abs         max_c |s_c|                Look and Think Twice (2015), §3.4
//     sum_abs, l2     sum_c |s_c|, (sum_c s_c^2)^(1/2)    the energies of Feedback CNN (TPAMI 2018)
//
// Signals are (images, channels, pixels), maps (images, pixels); channels are added in their order.

#include "index.h"

constexpr int64 STRETCH = 1024;  // pixels of a map that a block makes

template <typename T>
__device__ T magnitude(T value) { return value < 0 ? -value : value; }

struct Total {
    template <typename T>
    static __device__ T with(T sum, T value) { return sum + value; }
    template <typename T>
    static __device__ T end(T sum) { return sum; }
};

struct PositiveSum : Total {
    template <typename T>
    static __device__ T end(T sum) { return sum < 0 ? T(0) : sum; }
};

struct SumOfMagnitudes : Total {
    template <typename T>
    static __device__ T with(T sum, T value) { return sum + magnitude(value); }
};

struct Norm : Total {
    template <typename T>
    static __device__ T with(T sum, T value) { return sum + value * value; }
    template <typename T>
    static __device__ T end(T sum) { return sqrt(sum); }
};

struct GreatestMagnitude : Total {
    template <typename T>
    static __device__ T with(T greatest, T value)
    {
        const T size = magnitude(value);
        return size > greatest || size != size ? size : greatest;  // NaN stays
    }
};

// A block: one stretch of one map.
template <typename Reduction, typename T>
__device__ void over_channels(const T* signal, T* maps, int64 images, int64 channels, int64 pixels)
{
    const int64 stretches = divided_up(pixels, STRETCH);
    for (int64 number = blockIdx.x; number < images * stretches; number += gridDim.x) {
        const T* image = signal + number / stretches * channels * pixels;
        T* map = maps + number / stretches * pixels;
        const int64 first = number % stretches * STRETCH, end = lesser(first + STRETCH, pixels);
        for (int64 i = first + threadIdx.x; i < end; i += blockDim.x) map[i] = 0;
        for (int64 c = 0; c < channels; ++c) {
            FETCH(image + (c + 1) * pixels + first, end - first);
            INDEPENDENT
            for (int64 i = first + threadIdx.x; i < end; i += blockDim.x)
                map[i] = Reduction::with(map[i], image[c * pixels + i]);
        }
        for (int64 i = first + threadIdx.x; i < end; i += blockDim.x) map[i] = Reduction::end(map[i]);
    }
}

template <typename T>
__global__ void sum(const T* __restrict__ signal, T* __restrict__ maps, int64 images, int64 channels, int64 pixels)
{
    over_channels<Total>(signal, maps, images, channels, pixels);
}

template <typename T>
__global__ void positive_sum(const T* __restrict__ signal, T* __restrict__ maps, int64 images, int64 channels, int64 pixels)
{
    over_channels<PositiveSum>(signal, maps, images, channels, pixels);
}

template <typename T>
__global__ void sum_abs(const T* __restrict__ signal, T* __restrict__ maps, int64 images, int64 channels, int64 pixels)
{
    over_channels<SumOfMagnitudes>(signal, maps, images, channels, pixels);
}

template <typename T>
__global__ void l2(const T* __restrict__ signal, T* __restrict__ maps, int64 images, int64 channels, int64 pixels)
{
    over_channels<Norm>(signal, maps, images, channels, pixels);
}

template <typename T>
__global__ void max_abs(const T* __restrict__ signal, T* __restrict__ maps, int64 images, int64 channels, int64 pixels)
{
    over_channels<GreatestMagnitude>(signal, maps, images, channels, pixels);
}

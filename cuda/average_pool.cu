// The sums under average pooling, after Caffe's pooling_layer (which then divides by the window's clipped size):
//
//     forward     y[window] = sum of its real pixels, in raster order
//     backward    dx[pixel] = sum of dy over the windows that cover it, in raster order of the cells that do
//
// Planes: targets times images times channels.

#include "slide.h"

template <typename T>
struct Sum {
    T* sums;  // of one plane
    T sum = 0;

    __device__ void take(int, T value) { sum += value; }
    __device__ void store(int64 window) const { sums[window] = sum; }
};

// A block: one row of windows of one plane.
template <typename T>
__global__ void window_sums(const T* __restrict__ x, T* __restrict__ y, int64 planes, Windows w)
{
    for (int64 row = blockIdx.x; row < planes * w.positions.h; row += gridDim.x) {
        const int64 plane = row / w.positions.h;
        fold_row(Sum<T>{y + plane * w.positions.area()}, x + plane * w.size.area(), row % w.positions.h, w);
    }
}

template <typename T>
struct Same {
    const T* signal;  // of one plane

    __device__ T operator()(int64, int64 window) const { return signal[window]; }
};

// A block: one pixel row of one plane.
template <typename T>
__global__ void spread(const T* __restrict__ signal, T* __restrict__ to, int64 planes, Windows w)
{
    for (int64 row = blockIdx.x; row < planes * w.size.h; row += gridDim.x)
        spread_row(Same<T>{signal + row / w.size.h * w.positions.area()}, to + row * w.size.w, row % w.size.h, w);
}

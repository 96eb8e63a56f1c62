// The sums under average pooling, after Caffe's pooling_layer (which then divides by the window's clipped size):
//
//     forward     y[window] = sum of its real pixels, in raster order
//     backward    dx[pixel] = sum of dy over the windows that cover it, in raster order of the cells that do
//     excitation  that, times a[pixel]: eq. 5 of Zhang et al. (2016), where dy is the mass over the sum of a
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

__device__ bool one_sees_all(const Windows& w)
{
    return w.positions.area() == 1 && w.kernel.h - w.pad.h >= w.size.h && w.kernel.w - w.pad.w >= w.size.w && w.dilation.area() == 1;
}

// Pixel row h of a plane.
template <typename T>
__device__ void spread_same(const T* signal, T* row, int64 h, const Windows& w)
{
    if (!one_sees_all(w)) return spread_row(Same<T>{signal}, row, h, w);
    for (int64 x = threadIdx.x; x < w.size.w; x += blockDim.x) row[x] = T(0) + signal[0];
}

// A block: one pixel row of one plane.
template <typename T>
__global__ void spread(const T* __restrict__ signal, T* __restrict__ to, int64 planes, Windows w)
{
    for (int64 row = blockIdx.x; row < planes * w.size.h; row += gridDim.x)
        spread_same(signal + row / w.size.h * w.positions.area(), to + row * w.size.w, row % w.size.h, w);
}

// The targets share `a`, of `planes` planes. A block: one pixel row of one plane of one target.
template <typename T>
__global__ void spread_to(
    const T* __restrict__ signal, const T* __restrict__ a, T* __restrict__ to, int64 targets, int64 planes, Windows w)
{
    for (int64 row = blockIdx.x; row < targets * planes * w.size.h; row += gridDim.x) {
        T* pixels = to + row * w.size.w;
        const T* active = a + row % (planes * w.size.h) * w.size.w;
        spread_same(signal + row / w.size.h * w.positions.area(), pixels, row % w.size.h, w);
        __syncthreads();
        for (int64 x = threadIdx.x; x < w.size.w; x += blockDim.x) pixels[x] *= active[x];
    }
}

// The sums under average pooling, after Caffe's pooling_layer (which then divides by the window's clipped size):
//
//     forward     y[window] = sum of its real pixels, in raster order
//     backward    dx[pixel] = sum of dy over the windows that cover it, in raster order of the cells that do
//     excitation  that, times a[pixel]: eq. 5 of Zhang et al. (2016), where dy is the mass over the sum of a
//
// Planes: targets times images times channels.

#include "slide.h"

constexpr int64 ROWS_AHEAD = 8;  // so many rows before its turn a row is fetched

template <typename T>
struct Sum {
    T* sums;  // of one plane
    T sum = 0;

    __device__ void take(int, T value) { sum += value; }
    __device__ void store(int64 window) const { sums[window] = sum; }
};

// Whether there is one window, which sees the whole plane.
__device__ bool one_sees_all(const Windows& w)
{
    return w.positions.area() == 1 && w.kernel.h - w.pad.h >= w.size.h && w.kernel.w - w.pad.w >= w.size.w && w.dilation.area() == 1;
}

template <typename T>
__device__ void sum_all(const T* plane, T* sum, int64 pixels)
{
    if (threadIdx.x > 0) return;
    T all = 0;
    UNROLLED
    for (int64 i = 0; i < pixels; ++i) all += plane[i];
    *sum = all;
}

// A block: one row of windows of one plane.
template <typename T>
__global__ void window_sums(const T* __restrict__ x, T* __restrict__ y, int64 planes, Windows w)
{
    if (one_sees_all(w)) {
        for (int64 plane = blockIdx.x; plane < planes; plane += gridDim.x) sum_all(x + plane * w.size.area(), y + plane, w.size.area());
        return;
    }
    for (int64 row = blockIdx.x; row < planes * w.positions.h; row += gridDim.x) {
        const int64 plane = row / w.positions.h;
        FETCH(x + plane * w.size.area() + (row % w.positions.h + ROWS_AHEAD) * w.stride.h * w.size.w, w.stride.h * w.size.w);
        FETCH_TO(y + (row + ROWS_AHEAD) * w.positions.w, w.positions.w);
        fold_row(Sum<T>{y + plane * w.positions.area()}, x + plane * w.size.area(), row % w.positions.h, w);
    }
}

template <typename T>
struct Same {
    const T* signal;  // of one plane

    __device__ T operator()(int64, int64 window) const { return signal[window]; }
};

// A block: one plane where one window sees all of it, else one pixel row.
template <typename T>
__global__ void spread(const T* __restrict__ signal, T* __restrict__ to, int64 planes, Windows w)
{
    if (one_sees_all(w)) {
        for (int64 plane = blockIdx.x; plane < planes; plane += gridDim.x)
            for (int64 i = threadIdx.x; i < w.size.area(); i += blockDim.x) to[plane * w.size.area() + i] = T(0) + signal[plane];
        return;
    }
    for (int64 row = blockIdx.x; row < planes * w.size.h; row += gridDim.x) {
        FETCH_TO(to + (row + ROWS_AHEAD) * w.size.w, w.size.w);
        spread_row(Same<T>{signal + row / w.size.h * w.positions.area()}, to + row * w.size.w, row % w.size.h, w);
    }
}

// The targets share `a`, of `planes` planes. A block: one plane of one target where one window sees all of it, else one pixel row.
template <typename T>
__global__ void spread_to(
    const T* __restrict__ signal, const T* __restrict__ a, T* __restrict__ to, int64 targets, int64 planes, Windows w)
{
    const int64 area = w.size.area();
    if (one_sees_all(w)) {
        for (int64 plane = blockIdx.x; plane < targets * planes; plane += gridDim.x) {
            const T* active = a + plane % planes * area;
            for (int64 i = threadIdx.x; i < area; i += blockDim.x) to[plane * area + i] = (T(0) + signal[plane]) * active[i];
        }
        return;
    }
    for (int64 row = blockIdx.x; row < targets * planes * w.size.h; row += gridDim.x) {
        T* pixels = to + row * w.size.w;
        const T* active = a + row % (planes * w.size.h) * w.size.w;
        FETCH_TO(pixels + ROWS_AHEAD * w.size.w, w.size.w);
        spread_row(Same<T>{signal + row / w.size.h * w.positions.area()}, pixels, row % w.size.h, w);
        __syncthreads();
        for (int64 x = threadIdx.x; x < w.size.w; x += blockDim.x) pixels[x] *= active[x];
    }
}

// im2col and its transpose, after Caffe's im2col.cu:
//
//     im2col    patch[c, i, j, oh, ow] = image[c, oh * stride - pad + i * dilation, ow * stride - pad + j * dilation]
//     col2im    image[c, h, w] = sum of the patch cells that im2col fills from (c, h, w), in raster order of (i, j)
//
// What lies on padding reads as 0 and is dropped on the way back. Planes: images times channels.

#include "slide.h"

template <int S, typename T>
__device__ void copy_row(const T* from, T* to, int64 offset, const Windows& w)
{
    const int64 stride = S ? S : w.stride.w;
    const Span real = within(offset, stride, w.size.w, w.positions.w);
    for (int64 ow = threadIdx.x; ow < real.first; ow += blockDim.x) to[ow] = 0;
    for (int64 ow = real.first + threadIdx.x; ow < real.end; ow += blockDim.x) to[ow] = from[ow * stride + offset];
    for (int64 ow = real.end + threadIdx.x; ow < w.positions.w; ow += blockDim.x) to[ow] = 0;
}

// A block: one cell of one plane, at all positions.
template <typename T>
__global__ void im2col(const T* __restrict__ image, T* __restrict__ patches, int64 planes, Windows w)
{
    const int64 cells = w.kernel.area();
    for (int64 row = blockIdx.x; row < planes * cells; row += gridDim.x) {
        const int64 i = row % cells / w.kernel.w, j = row % w.kernel.w;
        const T* plane = image + row / cells * w.size.area();
        for (int64 oh = threadIdx.y; oh < w.positions.h; oh += blockDim.y) {
            T* to = patches + row * w.positions.area() + oh * w.positions.w;
            const int64 h = oh * w.stride.h - w.pad.h + i * w.dilation.h;
            const int64 offset = j * w.dilation.w - w.pad.w;
            if (h < 0 || h >= w.size.h)
                for (int64 ow = threadIdx.x; ow < w.positions.w; ow += blockDim.x) to[ow] = 0;
            else if (w.stride.w == 1) copy_row<1>(plane + h * w.size.w, to, offset, w);
            else if (w.stride.w == 2) copy_row<2>(plane + h * w.size.w, to, offset, w);
            else copy_row<0>(plane + h * w.size.w, to, offset, w);
        }
    }
}

template <typename T>
struct Patch {
    const T* cells;  // of one plane: (kernel h, kernel w, positions)
    int64 positions;

    __device__ T operator()(int64 cell, int64 window) const { return cells[cell * positions + window]; }
};

// A block: one pixel row of one plane.
template <typename T>
__global__ void col2im(const T* __restrict__ patches, T* __restrict__ image, int64 planes, Windows w)
{
    const int64 positions = w.positions.area();
    for (int64 row = blockIdx.x; row < planes * w.size.h; row += gridDim.x) {
        const Patch<T> patch{patches + row / w.size.h * w.kernel.area() * positions, positions};
        spread_row(patch, image + row * w.size.w, row % w.size.h, w);
    }
}

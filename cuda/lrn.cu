// The normaliser of LRN across channels, after Caffe's lrn_layer: n channels, centred, zeros beyond the first and the last
//
//     scale[c] = k + alpha/n * sum of x^2 over n channels around c
//
// carried from channel to channel: adding the one that enters, subtracting the one that leaves, each with one rounding to x's
// type. In single precision that shows in the fifth digit.

#include "index.h"

constexpr int64 STRIP = 256;  // pixels of one image that a block carries through all channels

template <typename T>
__device__ T plus(T running, double factor, T value) { return T(double(running) + factor * double(T(value * value))); }

// `pixels`: of one channel; `window` <= 2 * channels - 1; `alpha` is Caffe's alpha / n.
template <typename T>
__global__ void lrn_scale(
    const T* __restrict__ x, T* __restrict__ scale, int64 images, int64 channels, int64 pixels, int64 window, T alpha, T k)
{
    const int64 strips = divided_up(pixels, STRIP), half = window / 2;
    for (int64 number = blockIdx.x; number < images * strips; number += gridDim.x) {
        const int64 image = number / strips * channels * pixels, first = number % strips * STRIP;
        const int64 end = lesser(first + STRIP, pixels);
        for (int64 i = first + threadIdx.x; i < end; i += blockDim.x) scale[image + i] = k;
        for (int64 entering = 0; entering < channels + half; ++entering) {
            const T *enters = x + image + entering * pixels, *leaves = x + image + (entering - window) * pixels;
            const T* before = scale + image + greater(entering - half - 1, 0) * pixels;
            T* here = scale + image + greater(entering - half, 0) * pixels;  // until the window is half full: channel 0
            for (int64 i = first + threadIdx.x; i < end; i += blockDim.x) {
                T running = before[i];
                if (entering < channels) running = plus(running, alpha, enters[i]);
                if (entering >= window) running = plus(running, -alpha, leaves[i]);
                here[i] = running;
            }
        }
    }
}

// LRN across channels, after Caffe's lrn_layer: n channels, centred, zeros beyond the first and the last
//
//     normaliser   scale[c] = k + alpha/n * sum of x^2 over n channels around c
//     forward      y = x scale^-beta
//     frozen       dx = dy scale^-beta: the normaliser stays as the forward pass left it
//     gradient     dx[c] = dy[c] scale[c]^-beta - 2 alpha/n beta x[c] * sum of dy y / scale over n channels around c
//
// The normaliser is carried from channel to channel: adding the one that enters, subtracting the one that leaves, each with one
// rounding to x's type. In single precision that shows in the fifth digit.

#include "index.h"

constexpr int64 STRIP = 256;         // pixels of one image that a block carries through all channels
constexpr int64 LONGEST = 512;       // as many at most where the gradient is told how many
constexpr int64 WIDEST = 9;          // the most channels that the gradient's window may have
constexpr int64 USUAL = 5;           // as many as every published net's has: it is summed at once
constexpr int64 CHANNELS_AHEAD = 3;  // so many channels before its turn a strip is fetched

template <typename T>
struct Powers {
    T power, inverse;  // scale^-beta, 1 / scale
};

// Every published net has beta 3/4: two roots and one division, which a CPU takes of many numbers at once. 1 / scale is then
// scale^-3/4 (scale^-3/4 scale^1/2): in this order no part of it leaves the range of T before it does.
template <typename T>
__device__ Powers<T> powers(T scale, T beta)
{
    if (beta != T(0.75)) return {pow(scale, -beta), 1 / scale};
    const T root = sqrt(scale), power = 1 / (root * sqrt(root));
    return {power, power * (power * root)};
}

// running + factor value^2: in single precision with one rounding, which is Caffe's.
__device__ float plus(float running, float factor, float value) { return fma(factor, value * value, running); }
__device__ double plus(double running, double factor, double value) { return running + factor * (value * value); }

// `pixels`: of one channel; `window` <= 2 * channels - 1; `alpha` is Caffe's alpha / n. A block: one strip of one image.
template <typename T>
__global__ void lrn(
    const T* __restrict__ x, T* __restrict__ scale, T* __restrict__ y, int64 images, int64 channels, int64 pixels, int64 window, T alpha,
    T beta, T k)
{
    const int64 strips = divided_up(pixels, STRIP), half = window / 2;
    for (int64 number = blockIdx.x; number < images * strips; number += gridDim.x) {
        const int64 image = number / strips * channels * pixels, first = number % strips * STRIP;
        const int64 end = lesser(first + STRIP, pixels);
        for (int64 i = first + threadIdx.x; i < end; i += blockDim.x) scale[image + i] = k;
        for (int64 entering = 0; entering < channels + half; ++entering) {
            const T *enters = x + image + entering * pixels, *leaves = x + image + (entering - window) * pixels;
            const T* before = scale + image + greater(entering - half - 1, 0) * pixels;
            const int64 here = image + greater(entering - half, 0) * pixels;  // until the window is half full: channel 0
            FETCH(enters + first + CHANNELS_AHEAD * pixels, end - first);
            FETCH_TO(scale + here + first + CHANNELS_AHEAD * pixels, end - first);
            FETCH_TO(y + here + first + CHANNELS_AHEAD * pixels, end - first);
            INDEPENDENT
            for (int64 i = first + threadIdx.x; i < end; i += blockDim.x) {
                T running = before[i];
                if (entering < channels) running = plus(running, alpha, enters[i]);
                if (entering >= window) running = plus(running, -alpha, leaves[i]);
                scale[here + i] = running;
            }
            if (entering < half) continue;
            for (int64 i = here + first + threadIdx.x; i < here + end; i += blockDim.x) y[i] = x[i] * powers(scale[i], beta).power;
        }
    }
}

// (targets, size) times (size)^-beta. A block: one tile of one target.
template <typename T>
__global__ void lrn_frozen(
    const T* __restrict__ many, const T* __restrict__ scale, T* __restrict__ to, int64 targets, int64 size, T beta)
{
    const int64 tiles = divided_up(size, TILE);
    for (int64 number = blockIdx.x; number < targets * tiles; number += gridDim.x) {
        const int64 target = number / tiles * size;
        const Span part = tile(number % tiles, size);
        for (int64 i = part.first + threadIdx.x; i < part.end; i += blockDim.x)
            to[target + i] = many[target + i] * powers(scale[i], beta).power;
    }
}

// What enters the window with a channel, dy y / scale, and the first part of the channel's dx.
template <typename T>
__device__ void enter(const T* x, const T* scale, const T* signal, T* ratio, T* to, int64 pixels, T beta)
{
    INDEPENDENT
    for (int64 i = threadIdx.x; i < pixels; i += blockDim.x) {
        const auto [power, inverse] = powers(scale[i], beta);
        ratio[i] = signal[i] * (x[i] * power * inverse);
        to[i] = signal[i] * power;
    }
}

// 1, and where it is `rectified` by the ReLU that made x, 0 where that is not positive.
template <typename T>
__device__ T passed(T x, bool rectified) { return rectified && !(x > 0) ? T(0) : T(1); }

// The second part of a channel's dx, once the last channel of its window is there: the `newest`.
template <typename T>
__device__ void subtract(
    const T (&ratios)[WIDEST][LONGEST], int64 newest, int64 window, T* sum, T weight, const T* x, bool rectified, T* to, int64 pixels)
{
    const T* last = ratios[newest % window];
    if (window == USUAL) {
        const T *a = ratios[(newest + 1) % USUAL], *b = ratios[(newest + 2) % USUAL];
        const T *c = ratios[(newest + 3) % USUAL], *d = ratios[(newest + 4) % USUAL];
        for (int64 i = threadIdx.x; i < pixels; i += blockDim.x)
            to[i] = (to[i] - weight * x[i] * (a[i] + b[i] + c[i] + d[i] + last[i])) * passed(x[i], rectified);
        return;
    }
    for (int64 i = threadIdx.x; i < pixels; i += blockDim.x) sum[i] = 0;
    for (int64 j = newest + 1; j < newest + window; ++j) {
        const T* one = ratios[j % window];
        for (int64 i = threadIdx.x; i < pixels; i += blockDim.x) sum[i] += one[i];
    }
    for (int64 i = threadIdx.x; i < pixels; i += blockDim.x)
        to[i] = (to[i] - weight * x[i] * (sum[i] + last[i])) * passed(x[i], rectified);
}

// `window` <= WIDEST, `strip` <= LONGEST; `weight` is 2 alpha/n beta; `rectified`: below the ReLU that made x. A block: one strip of one
// image under one target; a thread keeps to its pixels.
template <typename T>
__global__ void lrn_gradient(
    const T* __restrict__ x, const T* __restrict__ scale, const T* __restrict__ signal, T* __restrict__ to, int64 targets, int64 images,
    int64 channels, int64 pixels, int64 strip, int64 window, int64 rectified, T weight, T beta)
{
    __shared__ T ratios[WIDEST][LONGEST];  // of the channels in the window, each in the place of the one that left
    __shared__ T sum[LONGEST];
    const int64 strips = divided_up(pixels, strip), half = window / 2;
    for (int64 number = blockIdx.x; number < targets * images * strips; number += gridDim.x) {
        const int64 first = number % strips * strip, end = lesser(strip, pixels - first);
        const int64 image = number / strips % images * channels * pixels + first, row = number / strips * channels * pixels + first;
        for (int64 j = 0; j < window; ++j)
            for (int64 i = threadIdx.x; i < end; i += blockDim.x) ratios[j][i] = 0;
        for (int64 entering = 0; entering < channels + half; ++entering) {
            const int64 enters = entering * pixels, here = (entering - half) * pixels;
            T* ratio = ratios[entering % window];
            FETCH(x + image + enters + CHANNELS_AHEAD * pixels, end);
            FETCH(scale + image + enters + CHANNELS_AHEAD * pixels, end);
            FETCH(signal + row + enters + CHANNELS_AHEAD * pixels, end);
            FETCH_TO(to + row + enters + CHANNELS_AHEAD * pixels, end);
            if (entering < channels)
                enter(x + image + enters, scale + image + enters, signal + row + enters, ratio, to + row + enters, end, beta);
            else
                for (int64 i = threadIdx.x; i < end; i += blockDim.x) ratio[i] = 0;
            if (entering < half) continue;
            subtract(ratios, entering, window, sum, weight, x + image + here, rectified != 0, to + row + here, end);
        }
    }
}

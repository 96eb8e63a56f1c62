// Where windows lie on a plane, for every kernel that slides one: im2col, pooling, and their transposes.
//
// A plane is one channel of one image. Offsets into arrays are 64 bits wide: a batch may hold more than 2^31 numbers.
#pragma once

// What a compiler is told of the loop that follows. INDEPENDENT: its turns do not depend on each other, nor on their order,
// as is so over threadIdx; a GPU's compiler knows. SUMMING: but for `sum`. And what a CPU is told to fetch before its turn, to be read
// (FETCH) or written (FETCH_TO): `number` neighbours, which need not exist. A GPU has other blocks to turn to meanwhile. The CPU's words
// for them are in host.h.
#ifndef INDEPENDENT
#define INDEPENDENT
#define UNROLLED _Pragma("unroll")
#define SUMMING(...)
#define FETCH(place, number) (void)(place), (void)(number)
#define FETCH_TO(place, number) (void)(place), (void)(number)
#endif

typedef long long int64;

struct Axes {
    int64 h, w;

    __device__ int64 area() const { return h * w; }
};

// As 12 numbers in this order they come from Python (kernels.windows).
struct Windows {
    Axes size, kernel, stride, pad, dilation;
    Axes positions;  // how many windows there are along each axis
};

struct Span {
    int64 first, end;
};

__device__ int64 lesser(int64 a, int64 b) { return a < b ? a : b; }
__device__ int64 greater(int64 a, int64 b) { return a > b ? a : b; }
__device__ int64 divided_up(int64 a, int64 b) { return (a + b - 1) / b; }  // for a >= 0

// The windows, of `positions` along one axis, whose pixel o * stride + offset lies in [0, size):
// those o with 0 <= o * stride + offset < size.
__device__ Span within(int64 offset, int64 stride, int64 size, int64 positions)
{
    const int64 first = offset < 0 ? divided_up(-offset, stride) : 0;
    const int64 end = offset < size ? lesser(divided_up(size - offset, stride), positions) : 0;
    return {lesser(first, greater(end, 0)), greater(end, 0)};
}

// Elementwise kernels work in tiles, one to a block, so that on a CPU a thread's numbers lie side by side.
constexpr int64 TILE = 4096;

__device__ Span tile(int64 number, int64 total) { return {number * TILE, lesser((number + 1) * TILE, total)}; }

struct Added {
    template <typename T>
    static __device__ T of(T a, T b) { return a + b; }
};

struct Lesser {
    template <typename T>
    static __device__ T of(T a, T b) { return b < a ? b : a; }
};

// What is made of the parts that the threads of a block have, in every one of them.
template <typename Together, typename T>
__device__ T of_block(T part)
{
    __shared__ T parts[1024];  // the most threads that a block can have
    parts[threadIdx.x] = part;
    for (unsigned half = 512; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half && threadIdx.x + half < blockDim.x)
            parts[threadIdx.x] = Together::of(parts[threadIdx.x], parts[threadIdx.x + half]);
    }
    __syncthreads();
    const T whole = parts[0];
    __syncthreads();  // before the next parts are written over these
    return whole;
}

__device__ double sum_of_block(double part) { return of_block<Added>(part); }
__device__ int64 least_of_block(int64 part) { return of_block<Lesser>(part); }

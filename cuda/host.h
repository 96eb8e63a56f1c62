// What a CUDA text needs in order to be C++: a block is one thread of the CPU, so threadIdx is 0 and blockDim 1.
#pragma once

#include <cmath>

using std::exp, std::fma, std::pow, std::sqrt;  // of float as well, as CUDA has them

struct Dim3 {
    unsigned x, y, z;
};

static thread_local Dim3 blockIdx{0, 0, 0}, gridDim{1, 1, 1};

#ifdef BLOCK_THREADS  // as on a GPU, slowly: to see that the text is right for blocks of several threads
static thread_local Dim3 threadIdx{0, 0, 0};
static constexpr Dim3 blockDim{BLOCK_THREADS, 1, 1};
#define __shared__ static
#define __syncthreads() _Pragma("omp barrier")
#else
static constexpr Dim3 threadIdx{0, 0, 0}, blockDim{1, 1, 1};
#define __shared__ static thread_local
#define __syncthreads()
#endif

#define __device__ inline __attribute__((always_inline))  // into its kernel, and so into each of the CPU's versions
#define __global__ static inline __attribute__((always_inline))

// 16 columns at a time, also where a loop mixes numbers of 4 bytes with numbers of 1, of which a register would hold 64.
#define INDEPENDENT _Pragma("omp simd simdlen(16) safelen(16)")

#define SUMMING(...) TOLD(omp simd reduction(+ : __VA_ARGS__))
#define TOLD(...) _Pragma(#__VA_ARGS__)
#define UNROLLED _Pragma("GCC unroll 8")

template <int WRITTEN, typename T>
static inline __attribute__((always_inline)) void fetch(const T* place, long long number)
{
    constexpr long long LINE = 64 / sizeof(T);
    for (long long i = 0; i < number; i += LINE) __builtin_prefetch(place + i, WRITTEN);
}
#define FETCH(place, number) fetch<0>(place, number)
#define FETCH_TO(place, number) fetch<1>(place, number)

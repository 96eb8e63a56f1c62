// What a CUDA text needs in order to be C++: a block is one thread of the CPU, so threadIdx is 0 and blockDim 1.
#pragma once

struct Dim3 {
    unsigned x, y, z;
};

static constexpr Dim3 threadIdx{0, 0, 0}, blockDim{1, 1, 1};
static thread_local Dim3 blockIdx{0, 0, 0}, gridDim{1, 1, 1};

#define __device__ inline __attribute__((always_inline))  // into its kernel, and so into each of the CPU's versions
#define __global__ static inline __attribute__((always_inline))

// 16 columns at a time, also where a loop mixes numbers of 4 bytes with numbers of 1, of which a register would hold 64.
#define INDEPENDENT _Pragma("omp simd simdlen(16) safelen(16)")

#define SUMMING _Pragma("omp simd reduction(+ : sum)")
#define UNROLLED _Pragma("GCC unroll 8")

#define __shared__ static thread_local

static inline void __syncthreads() {}

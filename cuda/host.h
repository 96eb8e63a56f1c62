// What a CUDA text needs in order to be C++: a block is one thread of the CPU, so threadIdx is 0 and blockDim 1.
#pragma once

struct Dim3 {
    unsigned x, y, z;
};

static constexpr Dim3 threadIdx{0, 0, 0}, blockDim{1, 1, 1};
static thread_local Dim3 blockIdx{0, 0, 0}, gridDim{1, 1, 1};

#define __device__ inline __attribute__((always_inline))  // into its kernel, and so into each of the CPU's versions
#define __global__ static inline __attribute__((always_inline))

static inline void __syncthreads() {}

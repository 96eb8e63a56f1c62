// Softmax: y = exp(x - max x) / sum exp(x - max x), over the channels of each place by itself.

#include "index.h"

// An array is (rows, channels, size). A block: one place of one row.
template <typename T>
__global__ void softmax(const T* __restrict__ x, T* __restrict__ y, int64 rows, int64 channels, int64 size)
{
    for (int64 number = blockIdx.x; number < rows * size; number += gridDim.x) {
        const int64 first = number / size * channels * size + number % size, end = first + channels * size;
        T most = x[first];
        for (int64 i = first; i < end; i += size) most = x[i] > most || x[i] != x[i] ? x[i] : most;  // each thread by itself: NaN stays
        double sum = 0;
        for (int64 i = first + threadIdx.x * size; i < end; i += blockDim.x * size) sum += y[i] = exp(x[i] - most);
        const T whole = T(sum_of_block(sum));
        for (int64 i = first + threadIdx.x * size; i < end; i += blockDim.x * size) y[i] /= whole;
    }
}

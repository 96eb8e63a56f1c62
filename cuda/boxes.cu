// From maps to boxes: the threshold above which a map's brightest pixels hold a fraction of its energy, and the tightest box
//
//     threshold   e_(m),  m = min { k : e_(1) + ... + e_(k) >= fraction (e_(1) + ... + e_(n)) },   e_(1) >= e_(2) >= ...
//     box         [min x, max x + 1) x [min y, max y + 1) over a mask's pixels; all of it where there are none
//
// Look and Think Twice (2015), §4.2, and Feedback CNN (TPAMI 2018), Procedure 1. A block: one map.

#include "index.h"

// Energies `ascending` (maps, pixels), none below 0. Each thread adds a stretch of them, the brightest are the first thread's; then the
// one in whose stretch the fraction is reached looks where.
template <typename T>
__global__ void energy_threshold(const T* __restrict__ ascending, T fraction, T* __restrict__ threshold, int64 maps, int64 pixels)
{
    __shared__ T before[1025];  // what the brighter threads hold, for at most 1024 threads; and behind them, all
    const int64 stretch = divided_up(pixels, blockDim.x);
    const int64 first = lesser(threadIdx.x * stretch, pixels), end = lesser(first + stretch, pixels);
    for (int64 map = blockIdx.x; map < maps; map += gridDim.x) {
        const T* last = ascending + (map + 1) * pixels - 1;
        T own = 0;
        for (int64 i = first; i < end; ++i) own += last[-i];
        before[threadIdx.x + 1] = own;
        __syncthreads();
        if (threadIdx.x == 0) {
            before[0] = 0;
            for (unsigned i = 0; i < blockDim.x; ++i) before[i + 1] += before[i];
        }
        __syncthreads();
        const T wanted = fraction * before[blockDim.x];
        if ((before[threadIdx.x] < wanted || threadIdx.x == 0) && before[threadIdx.x + 1] >= wanted) {
            int64 i = first;  // added as above, so that the end of the stretch suffices
            for (T held = last[-i]; before[threadIdx.x] + held < wanted && i + 1 < end; held += last[-i]) ++i;
            threshold[map] = last[-i];
        }
        __syncthreads();  // before the next map's sums are written over these
    }
}

// Masks (maps, height, width) -> x0, y0, x1, y1 of each.
template <typename T, typename Index>
__global__ void tightest_box(const T* __restrict__ masks, Index* __restrict__ boxes, int64 maps, int64 height, int64 width)
{
    for (int64 map = blockIdx.x; map < maps; map += gridDim.x) {
        int64 x0 = width, y0 = height, x1 = 0, y1 = 0;
        for (int64 y = 0; y < height; ++y) {
            const T* row = masks + (map * height + y) * width;
            int any = 0;
            SUMMING(any)
            for (int64 x = threadIdx.x; x < width; x += blockDim.x) any += row[x] ? 1 : 0;
            if (!any) continue;
            int64 left = threadIdx.x, right = width - 1 - (width - 1 - left) % blockDim.x;
            while (!row[left]) left += blockDim.x;
            while (!row[right]) right -= blockDim.x;
            x0 = lesser(x0, left), x1 = greater(x1, right + 1);
            y0 = lesser(y0, y), y1 = y + 1;
        }
        x0 = least_of_block(x0), y0 = least_of_block(y0), x1 = -least_of_block(-x1), y1 = -least_of_block(-y1);
        if (threadIdx.x != 0) continue;
        const bool found = x1 > 0;
        boxes[4 * map] = Index(found ? x0 : 0);
        boxes[4 * map + 1] = Index(found ? y0 : 0);
        boxes[4 * map + 2] = Index(found ? x1 : width);
        boxes[4 * map + 3] = Index(found ? y1 : height);
    }
}

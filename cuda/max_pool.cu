// Max pooling with switches, after Caffe's pooling_layer:
//
//     forward     y[window] = max of its real pixels; the first in raster order wins, numbered by its cell of the window.
//                 Only what is greater than -FLT_MAX can win: a window of NaN or -infinity has winner -1
//     backward    dx[pixel] = sum of dy over the windows whose winner the pixel is: gathered, so without atomics and in
//                 one order, that of the cells
//
// Cells are numbered by as few bytes as will do: those of unrolled windows, of which there are nine at most, always by one.
//
// Planes: images times channels. Backward, K targets share one plane of winners: signals are (targets, planes, ...).

#include "slide.h"

template <typename T> struct Lowest;
template <> struct Lowest<float> { static constexpr float value = -3.402823466e+38f; };
template <> struct Lowest<double> { static constexpr double value = -1.7976931348623157e+308; };

template <typename T, typename Cell>
struct Maximum {
    T* maxima;  // of one plane
    Cell* winners;
    T best = Lowest<T>::value;
    int winner = -1;

    __device__ void take(int cell, T value)
    {
        const bool better = value > best;
        best = better ? value : best;
        winner = better ? cell : winner;
    }
    __device__ void store(int64 window) const
    {
        maxima[window] = best;
        winners[window] = static_cast<Cell>(winner);
    }
};

// A block: one row of windows of one plane.
template <typename T, typename Cell>
__global__ void max_pool(const T* __restrict__ x, T* __restrict__ y, Cell* __restrict__ winners, int64 planes, Windows w)
{
    for (int64 row = blockIdx.x; row < planes * w.positions.h; row += gridDim.x) {
        const int64 plane = row / w.positions.h, windows = plane * w.positions.area();
        const Maximum<T, Cell> maximum{y + windows, winners + windows};
        const T* pixels = x + plane * w.size.area();
        if constexpr (sizeof(Cell) == 1) fold_row(maximum, pixels, row % w.positions.h, w);
        else fold_any_row(maximum, pixels, row % w.positions.h, w);
    }
}

template <typename T, typename Cell>
struct Won {
    const T* signal;  // of one plane
    const Cell* winners;

    __device__ T operator()(int64 cell, int64 window) const { return signal[window] * T(int(winners[window]) == int(cell)); }
};

// A block: one pixel row of one plane of one target.
template <typename T, typename Cell>
__global__ void to_winners(
    const T* __restrict__ signal, const Cell* __restrict__ winners, T* __restrict__ to, int64 targets, int64 planes, Windows w)
{
    for (int64 row = blockIdx.x; row < targets * planes * w.size.h; row += gridDim.x) {
        const int64 plane = row / w.size.h, windows = w.positions.area();
        const Won<T, Cell> won{signal + plane * windows, winners + plane % planes * windows};
        if constexpr (sizeof(Cell) == 1) spread_row(won, to + row * w.size.w, row % w.size.h, w);
        else spread_any_row(won, to + row * w.size.w, row % w.size.h, w);
    }
}

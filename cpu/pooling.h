// Max pooling with switches, on padded planes: as the kernel of cuda/max_pool.cu, number for number, but with whole registers of
// windows also where rows are short.
//
//     forward     the first cell, in raster order, of the greatest pixel wins; -1 where none is greater than -FLT_MAX
//     backward    a pixel's sum over the windows that it won, in the order of their cells: the windows in reverse

typedef int IntegerLanes __attribute__((vector_size(LANES * 4)));
typedef signed char ByteLanes __attribute__((vector_size(LANES)));

constexpr float LOWEST = -3.402823466e+38f;

// A register to its place on a plane that has `room` for so many more numbers. What is written beyond a row, the next one writes over.
template <typename Register, typename Number>
INLINE void put_row(const Register* from, int64 at, int64 room, Number* plane)
{
    if (room >= LANES) std::memcpy(plane + at, from, LANES * sizeof(Number));
    else std::memcpy(plane + at, from, room * sizeof(Number));
}

// A plane's numbers and the windows' winners. `planes`: one channel's, in phases.
static void max_pool_plane(const float* planes, const int64* offset, int64 cells, const Planes& p, const Result& to, float* maxima, signed char* winners)
{
    for (int64 row = 0; row < to.rows; ++row)
        for (int64 column = 0; column < to.columns; column += LANES) {
            Lanes best = Lanes{} + LOWEST;
            IntegerLanes winner = IntegerLanes{} - 1;
            for (int64 cell = 0; cell < cells; ++cell) {
                const Lanes value = load(planes + offset[cell] + row * p.pitch + column);
                const auto better = value > best;
                best = better ? value : best;
                winner = better ? IntegerLanes{} + static_cast<int>(cell) : winner;
            }
            const ByteLanes won = __builtin_convertvector(winner, ByteLanes);
            const int64 at = row * to.columns + column, room = to.rows * to.columns - at;
            put_row(&best, at, room, maxima);
            put_row(&won, at, room, winners);
        }
}

// How many planes a thread takes at a time: several, since memory is read fastest in long stretches.
INLINE int64 at_once(int64 planes) { return std::min<int64>(32, std::max<int64>(1, planes / (4 * omp_get_max_threads()))); }

static void max_pool(
    const float* source, const Planes& p, const int64* plane, const int64* shift, int64 cells, const Result& to, int64 planes, float* maxima,
    signed char* winners)
{
    const int64 size = plane_size(p, to.rows), windows = to.rows * to.columns;
    std::vector<int64> offset(cells);
    for (int64 k = 0; k < cells; ++k) offset[k] = plane[k] * size + shift[k];
#pragma omp parallel for schedule(dynamic, at_once(planes))
    for (int64 number = 0; number < planes; ++number) {
        float* laid = scratch(room(p, to.rows));
        lay(source + number * p.height * p.width, p, 0, to.rows, size, laid, LOWEST);
        max_pool_plane(laid, offset.data(), cells, p, to, maxima + number * windows, winners + number * windows);
    }
}

// `where`: how far a cell's pixel lies from that of a window's first cell; `stride_h`, `stride_w`: from window to window.
static void to_winners(
    const float* signal, const signed char* winners, const int64* where, const Planes& p, const Result& to, int64 stride_h, int64 stride_w,
    int64 targets, int64 planes, const Finish* last, float* pixels)
{
    const int64 windows = to.rows * to.columns;
#pragma omp parallel for schedule(dynamic, at_once(targets * planes))
    for (int64 number = 0; number < targets * planes; ++number) {
        const signed char* won = winners + number % planes * windows;
        const float* from = signal + number * windows;
        float* plane = pixels + number * p.height * p.width;
        std::memset(plane, 0, p.height * p.width * sizeof(float));
        for (int64 row = to.rows - 1; row >= 0; --row)
            for (int64 column = to.columns - 1; column >= 0; --column) {
                const int64 window = row * to.columns + column, cell = won[window];
                if (cell >= 0) plane[(p.top + row * stride_h) * p.width + p.left + column * stride_w + where[cell]] += from[window];
            }
        finish(last, number, p.height * p.width, 0, p.height * p.width, pixels);
    }
}

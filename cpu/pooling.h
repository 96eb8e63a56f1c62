// Max pooling with switches, on padded planes: as the kernel of cuda/max_pool.cu, number for number, but with whole registers of
// windows, or pixels, also where rows are short.
//
//     forward     the first cell, in raster order, of the greatest pixel wins; -1 where none is greater than -FLT_MAX
//     backward    a pixel's sum over the windows that it won, in the order of their cells
//
// A thread takes plane after plane, and while it works on one fetches the next: such a plane is small, and comes from far.

typedef int IntegerLanes __attribute__((vector_size(LANES * 4)));
typedef int IntegerLanesAnywhere __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef signed char ByteLanes __attribute__((vector_size(LANES)));

constexpr float LOWEST = -3.402823466e+38f;

// Where windows lie on a plane. As 64-bit integers in this order they come from Python.
struct Windows {
    int64 height, width;  // of the plane
    int64 kernel_h, kernel_w, stride_h, stride_w, top, left;  // top, left: how much padding
    int64 rows, columns;  // of windows
};

// The greatest numbers so far of LANES windows, and their cells.
struct Best {
    Lanes value;
    IntegerLanes cell;
};

// Later numbers win only where they are greater.
INLINE void meet(Best& best, Lanes value, IntegerLanes cell)
{
    const auto greater = value > best.value;
    best.value = greater ? value : best.value;
    best.cell = greater ? cell : best.cell;
}

INLINE Best best_of(const float* planes, const int64* offset, int64 cells)
{
    Best best = {Lanes{} + LOWEST, IntegerLanes{} - 1};
    for (int64 cell = 0; cell < cells; ++cell) meet(best, load(planes + offset[cell]), IntegerLanes{} + static_cast<int>(cell));
    return best;
}

// Where one plane's results belong; and, fetched meanwhile, where the next one lies and its results belong.
struct Pooled {
    const Windows& w;
    float* maxima;
    signed char* winners;
    const float* next;
    const int64 strips = up(w.columns, LANES), windows = w.rows * w.columns;
    const int64 part = up(w.height * w.width, w.rows * strips);  // to be fetched with each register of results

    void put(int64 row, int64 strip, const Best& best) const
    {
        const int64 at = row * w.columns + strip * LANES, number = row * strips + strip;
        put_row(best.value, windows - at, maxima + at);
        put_row(__builtin_convertvector(best.cell, ByteLanes), windows - at, winners + at);
        fetch<0>(next + number * part, part);
        fetch<1>(maxima + windows + at, LANES);
        fetch<1>(winners + windows + at, LANES);
    }
};

// Any windows, of so many `CELLS` where the compiler may know it. `planes`: one channel's, in phases, `pitch` from row to row.
template <int CELLS>
static void max_pool_plane(const float* planes, const int64* offset, int64 pitch, const Windows w, const Pooled to)
{
    for (int64 row = 0; row < w.rows; ++row)
        for (int64 strip = 0; strip < to.strips; ++strip)
            to.put(row, strip, best_of(planes + row * pitch + strip * LANES, offset, CELLS ? CELLS : w.kernel_h * w.kernel_w));
}

// Windows of K x K, one beside the other: what a row of pixels has to offer is found once, for all windows that it lies in.
template <int K>
static void max_pool_rows(const float* planes, const int64* offset, int64 pitch, const Windows w, const Pooled to)
{
    for (int64 strip = to.strips - 1; strip >= 0; --strip) {  // rows' first registers last, see put_row
        const float* at = planes + strip * LANES;
        Best rows[K];
        for (int i = 1; i < K; ++i) rows[i] = best_of(at, offset + (i - 1) * K, K);
        for (int64 row = 0; row < w.rows; ++row, at += pitch) {
            for (int i = 1; i < K; ++i) rows[i - 1] = rows[i];
            rows[K - 1] = best_of(at, offset + (K - 1) * K, K);
            Best best = rows[0];
            for (int i = 1; i < K; ++i) meet(best, rows[i].value, rows[i].cell + i * K);
            to.put(row, strip, best);
        }
    }
}

INLINE auto max_pool_way(const Windows& w)
{
    if (w.kernel_h * w.kernel_w == 4) return max_pool_plane<4>;
    if (w.kernel_h != 3 || w.kernel_w != 3) return max_pool_plane<0>;
    return w.stride_h == 1 && w.stride_w == 1 ? max_pool_rows<3> : max_pool_plane<9>;
}

// How many planes a thread takes at a time: several, since memory is read fastest in long stretches.
INLINE int64 at_once(int64 planes) { return std::min<int64>(32, std::max<int64>(1, planes / (4 * omp_get_max_threads()))); }

static void max_pool(
    const float* source, const Planes& p, const int64* plane, const int64* shift, const Windows& w, int64 planes, float* maxima,
    signed char* winners)
{
    const int64 size = plane_size(p, w.rows), windows = w.rows * w.columns, pixels = w.height * w.width;
    const auto pool = max_pool_way(w);
    std::vector<int64> offset(w.kernel_h * w.kernel_w);
    for (std::size_t k = 0; k < offset.size(); ++k) offset[k] = plane[k] * size + shift[k];
#pragma omp parallel for schedule(dynamic, at_once(planes))
    for (int64 number = 0; number < planes; ++number) {
        const float *from = source + number * pixels, *end = source + planes * pixels;
        float* laid = scratch(room(p, w.rows));
        lay(from, end, p, 0, w.rows, size, laid, LOWEST);
        pool(laid, offset.data(), p.pitch, w, {w, maxima + number * windows, winners + number * windows, from + pixels});
    }
}

// Windows as many as pixels, each around its own: then a cell is one number by which pixels lie behind their windows, rows or
// not, since beyond a row's end a cell wins nothing.
INLINE bool around(const Windows& w) { return w.stride_h == 1 && w.stride_w == 1 && w.rows == w.height && w.columns == w.width; }

// `won`, `from`: with room before and behind them.
template <int K>
static void send_around(const Windows w, const int* won, const float* from, const float* next, float* pixels)
{
    const int64 area = w.height * w.width;
    for (int64 i = 0; i < area; i += LANES) {
        __builtin_prefetch(next + i);
        __builtin_prefetch(pixels + area + i, 1);
        Lanes sum{};
        int cell = 0;
        for (int y = 0; y < (K ? K : w.kernel_h); ++y) {
            int64 window = i + (w.top - y) * w.width + w.left;
            for (int x = 0; x < (K ? K : w.kernel_w); ++x, --window, ++cell) {
                const IntegerLanes winner = *reinterpret_cast<const IntegerLanesAnywhere*>(won + window);
                sum += winner == cell ? load(from + window) : Lanes{};
            }
        }
        put_row(sum, area - i, pixels + i);
    }
}

// One window after the other, the last one first. `where`: how far a cell's pixel lies from that of a window's first cell.
static void send_each(const Windows w, const int64* where, const signed char* won, const float* from, float* pixels)
{
    const int64 windows = w.rows * w.columns, area = w.height * w.width, share_of_row = up(area, w.rows);
    std::memset(pixels, 0, area * sizeof(float));
    for (int64 row = w.rows - 1; row >= 0; --row) {
        fetch<0>(from + windows + row * w.columns, w.columns);
        fetch<1>(pixels + area + row * share_of_row, share_of_row);
        for (int64 column = w.columns - 1; column >= 0; --column) {
            const int64 window = row * w.columns + column, cell = won[window];
            if (cell >= 0) pixels[(row * w.stride_h - w.top) * w.width + column * w.stride_w - w.left + where[cell]] += from[window];
        }
    }
}

// Windows of two or three pixels a side, two pixels apart: in each row every second pixel is the first of one window and the third of
// the one before; those between are the second of one.
INLINE bool halving(const Windows& w)
{
    return w.stride_h == 2 && w.stride_w == 2 && w.kernel_h == w.kernel_w && (w.kernel_h == 2 || w.kernel_h == 3);
}

// A plane of windows, from the one in front of the first of each row on; `pitch` from row to row.
struct Laid {
    const int* won;
    const float* from;
    int64 pitch;
};

// What the windows of one row, and the cells of one of their rows, give to `LANES` pairs of pixels.
template <int K>
INLINE void give(const Laid& windows, int64 row, int64 pair, int first_cell, Lanes (&pixels)[2])
{
    const int64 at = row * windows.pitch + 1 + pair;
    const auto given = [&](int64 window, int cell) {
        const IntegerLanes winner = *reinterpret_cast<const IntegerLanesAnywhere*>(windows.won + window);
        return winner == cell ? load(windows.from + window) : Lanes{};
    };
    pixels[0] += given(at, first_cell);
    if (K == 3) pixels[0] += given(at - 1, first_cell + 2);
    pixels[1] += given(at, first_cell + 1);
}

template <int K>
static void send_halved(const Windows& w, const Laid& windows, float* row_of_pixels, float* pixels)
{
    for (int64 y = 0; y < w.height; ++y, pixels += w.width) {
        const int64 row = (y + w.top) / 2;
        const bool second = (y + w.top) % 2;
        for (int64 pair = 0; 2 * pair < w.left + w.width; pair += LANES) {
            Lanes sums[2] = {};
            if (row < w.rows) give<K>(windows, row, pair, second ? K : 0, sums);
            if (K == 3 && !second && row > 0 && row <= w.rows) give<K>(windows, row - 1, pair, 2 * K, sums);
            store(row_of_pixels + 2 * pair, in_turn<0>(sums[0], sums[1]));
            store(row_of_pixels + 2 * pair + LANES, in_turn<1>(sums[0], sums[1]));
        }
        std::memcpy(pixels, row_of_pixels + w.left, w.width * sizeof(float));
    }
}

static void to_winners_halved(
    const float* signal, const signed char* winners, const Windows& w, int64 targets, int64 planes, const Finish* last, float* result)
{
    const int64 area = w.height * w.width, number_of = w.rows * w.columns, pairs = (w.left + w.width + 1) / 2;
    const int64 pitch = std::max(w.columns, pairs) + 1, room = w.rows * pitch + 2 * LANES;
    const auto send = w.kernel_h == 3 ? send_halved<3> : send_halved<2>;
#pragma omp parallel for schedule(dynamic, at_once(planes))
    for (int64 plane = 0; plane < planes; ++plane) {
        float *laid = scratch(2 * room + 2 * pairs + 4 * LANES), *row_of_pixels = laid + 2 * room;
        int* won = reinterpret_cast<int*>(laid + room);
        std::fill_n(won, room, -1);
        for (int64 row = 0; row < w.rows; ++row)
            for (int64 i = 0; i < w.columns; ++i) won[row * pitch + 1 + i] = winners[plane * number_of + row * w.columns + i];
        for (int64 target = 0; target < targets; ++target) {
            const int64 number = target * planes + plane;
            const float* from = signal + number * number_of;
            for (int64 row = 0; row < w.rows; ++row)
                std::memcpy(laid + row * pitch + 1, from + row * w.columns, w.columns * sizeof(float));
            send(w, {won, laid, pitch}, row_of_pixels, result + number * area);
            finish(last, number, area, 0, area, result);
        }
    }
}

static void to_winners_around(
    const float* signal, const signed char* winners, const Windows& w, int64 targets, int64 planes, const Finish* last, float* result)
{
    const int64 area = w.height * w.width, margin = w.kernel_h * w.width + w.kernel_w, room = area + 2 * margin + LANES;
    const auto send = w.kernel_h == 3 && w.kernel_w == 3 ? send_around<3> : send_around<0>;
#pragma omp parallel for schedule(dynamic, at_once(planes))
    for (int64 plane = 0; plane < planes; ++plane) {
        float* laid = scratch(2 * room);
        int* won = reinterpret_cast<int*>(laid + room);
        std::fill_n(won, room, -1);
        for (int64 i = 0; i < area; ++i) won[margin + i] = winners[plane * area + i];
        for (int64 target = 0; target < targets; ++target) {
            const int64 number = target * planes + plane;
            const float* from = signal + number * area;
            std::memcpy(laid + margin, from, area * sizeof(float));
            send(w, won + margin, laid + margin, from + area, result + number * area);
            finish(last, number, area, 0, area, result);
        }
    }
}

static void to_winners_each(
    const float* signal, const signed char* winners, const Windows& w, int64 targets, int64 planes, const Finish* last, float* result)
{
    const int64 windows = w.rows * w.columns, area = w.height * w.width;
    std::vector<int64> where;
    for (int64 y = 0; y < w.kernel_h; ++y)
        for (int64 x = 0; x < w.kernel_w; ++x) where.push_back(y * w.width + x);
#pragma omp parallel for schedule(dynamic, at_once(targets * planes))
    for (int64 number = 0; number < targets * planes; ++number) {
        send_each(w, where.data(), winners + number % planes * windows, signal + number * windows, result + number * area);
        finish(last, number, area, 0, area, result);
    }
}

static void to_winners(
    const float* signal, const signed char* winners, const Windows& w, int64 targets, int64 planes, const Finish* last, float* result)
{
    const auto way = around(w) ? to_winners_around : halving(w) ? to_winners_halved : to_winners_each;
    way(signal, winners, w, targets, planes, last, result);
}

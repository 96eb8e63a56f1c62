// Max pooling with switches, as the kernel of cuda/max_pool.cu, number for number, but with whole registers of windows, or pixels, also
// where rows are short: on planes that are padded, or where they lie.
//
//     forward     the first cell, in raster order, of the greatest pixel wins; -1 where none is greater than -FLT_MAX
//     backward    a pixel's sum over the windows that it won, in the order of their cells
//
// A thread takes plane after plane, and while it works on one fetches the next: such a plane is small, and comes from far.

typedef int IntegerLanes __attribute__((vector_size(LANES * 4)));
typedef int IntegerLanesAnywhere __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef signed char ByteLanes __attribute__((vector_size(LANES)));

// LANES small numbers, widened. (GCC 12 would take a vector of bytes apart to convert it.)
INLINE IntegerLanes widened(const signed char* from)
{
#if LANES == 16
    return reinterpret_cast<IntegerLanes>(_mm512_maskz_cvtepi8_epi32(-1, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif LANES == 8
    return reinterpret_cast<IntegerLanes>(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
    IntegerLanes numbers;
    for (int i = 0; i < LANES; ++i) numbers[i] = from[i];
    return numbers;
#endif
}

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
        put_part(best.value, windows - at, maxima + at);
        put_part(__builtin_convertvector(best.cell, ByteLanes), windows - at, winners + at);
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
    for (int64 strip = to.strips - 1; strip >= 0; --strip) {  // rows' first registers last, since they reach into the next
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

// Windows of two or three pixels a side, two pixels apart.
INLINE bool halving(const Windows& w)
{
    return w.stride_h == 2 && w.stride_w == 2 && w.kernel_h == w.kernel_w && (w.kernel_h == 2 || w.kernel_h == 3);
}

// What one row of pixels, of which `room` are left, has to offer to LANES of such windows: the best of `K`, and which of these it is.
template <int K>
INLINE Best best_of_row(const float* pixels, int64 room)
{
    const auto from = [&](int64 pixel) { return load_row(pixels + pixel, room - pixel, LOWEST); };
    const Lanes a = from(0), b = from(LANES), lowest = Lanes{} + LOWEST, first = every_second<0>(a, b);
    Best best = {first > lowest ? first : lowest, IntegerLanes{}};
    meet(best, every_second<1>(a, b), IntegerLanes{} + 1);
    if (K == 3) meet(best, every_second<0>(from(2), from(2 + LANES)), IntegerLanes{} + 2);
    return best;
}

// A plane that has no padding in front. The last row of a window of three is the first of the one below, for which `last` keeps it.
template <int K>
static void max_pool_halved(const float* plane, const Windows w, Best* last, const Pooled to)
{
    for (int64 row = 0; row < w.rows; ++row)
        for (int64 strip = 0; strip < to.strips; ++strip) {
            const int64 column = 2 * strip * LANES;
            const auto best_of = [&](int64 i) {
                const int64 y = 2 * row + i;
                return y < w.height ? best_of_row<K>(plane + y * w.width + column, w.width - column) : Best{Lanes{} + LOWEST, {}};
            };
            Best best = K == 3 && row > 0 ? last[strip] : best_of(0);
            for (int i = 1; i < K; ++i) {
                const Best below = best_of(i);
                meet(best, below.value, below.cell + i * K);
                if (i == 2) last[strip] = below;
            }
            best.cell = best.value == LOWEST ? IntegerLanes{} - 1 : best.cell;
            to.put(row, strip, best);
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

static void max_pool_laid(
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

static void max_pool_there(const float* source, const Windows& w, int64 planes, float* maxima, signed char* winners)
{
    const int64 windows = w.rows * w.columns, pixels = w.height * w.width;
    const auto pool = w.kernel_h == 3 ? max_pool_halved<3> : max_pool_halved<2>;
#pragma omp parallel for schedule(dynamic, at_once(planes))
    for (int64 number = 0; number < planes; ++number) {
        const float* from = source + number * pixels;
        const Pooled to{w, maxima + number * windows, winners + number * windows, from + pixels};
        pool(from, w, reinterpret_cast<Best*>(scratch(2 * to.strips * LANES)), to);
    }
}

static void max_pool(
    const float* source, const Planes& p, const int64* plane, const int64* shift, const Windows& w, int64 planes, float* maxima,
    signed char* winners)
{
    if (halving(w) && w.top == 0 && w.left == 0) max_pool_there(source, w, planes, maxima, winners);
    else max_pool_laid(source, p, plane, shift, w, planes, maxima, winners);
}

// Windows as many as pixels, each around its own: then a cell is one number by which pixels lie behind their windows, rows or
// not, since beyond a row's end a cell wins nothing.
INLINE bool around(const Windows& w) { return w.stride_h == 1 && w.stride_w == 1 && w.rows == w.height && w.columns == w.width; }

// A plane's pixels under T targets, which share the winners: planes of signals, and of pixels, `apart` from target to target. `won`,
// `laid`: with room before and behind them; the signals are laid `room` apart.
template <int K, int T>
static void send_around(
    const Windows& w, const signed char* won, const float* laid, int64 room, const float* signal, float* pixels, int64 apart)
{
    const int64 area = w.height * w.width;
    for (int64 i = 0; i < area; i += LANES) {
        Lanes sums[T] = {};
        int cell = 0;
        for (int y = 0; y < (K ? K : w.kernel_h); ++y) {
            int64 window = i + (w.top - y) * w.width + w.left;
            for (int x = 0; x < (K ? K : w.kernel_w); ++x, --window, ++cell) {
                const auto won_here = widened(won + window) == cell;
                for (int t = 0; t < T; ++t) sums[t] += won_here ? load(laid + t * room + window) : Lanes{};
            }
        }
        for (int t = 0; t < T; ++t) {
            put_part(sums[t], area - i, pixels + t * apart + i);
            __builtin_prefetch(signal + t * apart + area + i);
            __builtin_prefetch(pixels + t * apart + area + i, 1);
        }
    }
}

template <int T>
INLINE auto around_way(const Windows& w) { return w.kernel_h == 3 && w.kernel_w == 3 ? send_around<3, T> : send_around<0, T>; }

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

// Of `halving` windows: in each row every second pixel is the first of one window and the third of the one before; those between are
// the second of one. A plane of windows, with some that nobody won around them; `pitch` from row to row.
struct Laid {
    const signed char* won;
    const float* from;
    int64 pitch;
};

// Where the next plane's signal lies, and where its pixels belong: fetched meanwhile.
struct Next {
    const float* signal;
    float* pixels;
};

// What LANES windows and those in front of them, in the cells from `first` on of one of their rows, give to as many pairs of pixels.
template <int K>
INLINE void give(const Laid& windows, int64 at, int first, Lanes (&pixels)[2])
{
    const IntegerLanes here = widened(windows.won + at), before = widened(windows.won + at - 1);
    const Lanes from = load(windows.from + at);
    pixels[0] += here == first ? from : Lanes{};
    if (K == 3) pixels[0] += before == first + 2 ? load(windows.from + at - 1) : Lanes{};
    pixels[1] += here == first + 1 ? from : Lanes{};
}

// Two rows of pixels at a time: the first of one row of windows, which is the third of the row above, and the second. `row_of_pixels`:
// room for two, where they begin with padding.
template <int K>
static void send_halved(const Windows& w, const Laid& windows, float* row_of_pixels, float* pixels, const Next& next)
{
    const int64 pairs = up(w.left + w.width, 2);
    for (int64 row = 0, y = -w.top; y < w.height; ++row, y += 2) {
        float* to[2];
        for (int i = 0; i < 2; ++i) to[i] = w.left ? row_of_pixels + i * (2 * pairs + 2 * LANES) : pixels + (y + i) * w.width;
        for (int64 pair = 0; pair < pairs; pair += LANES) {
            Lanes first[2] = {}, second[2] = {};
            const int64 at = row * windows.pitch + pair, left = 2 * pair, room = w.left + w.width - left;
            give<K>(windows, at, 0, first);
            give<K>(windows, at, K, second);
            if (K == 3) give<K>(windows, at - windows.pitch, 2 * K, first);
            const auto put = [&](const Lanes (&of)[2], float* here) {
                put_part(in_turn<0>(of[0], of[1]), room, here + left);
                put_part(in_turn<1>(of[0], of[1]), room - LANES, here + left + LANES);
            };
            if (y >= 0) put(first, to[0]);
            if (y >= -1 && y + 1 < w.height) put(second, to[1]);
            fetch<0>(next.signal + row * w.columns + pair, LANES);
            fetch<1>(next.pixels + row * 2 * w.width + 2 * left, 4 * LANES);
        }
        for (int i = 0; i < 2 && w.left; ++i)
            if (y + i >= 0 && y + i < w.height) std::memcpy(pixels + (y + i) * w.width, to[i] + w.left, w.width * sizeof(float));
    }
}

static void to_winners_halved(
    const float* signal, const signed char* winners, const Windows& w, int64 targets, int64 planes, const Finish* last, float* result)
{
    const int64 area = w.height * w.width, number_of = w.rows * w.columns, pairs = up(w.left + w.width, 2);
    const int64 rows = std::max(w.rows, up(w.top + w.height, 2)), pitch = std::max(w.columns, pairs) + 1;
    const int64 front = pitch + 1, room = front + (rows + 1) * pitch + LANES, pixels_room = 2 * (2 * pairs + 2 * LANES);
    const auto send = w.kernel_h == 3 ? send_halved<3> : send_halved<2>;
#pragma omp parallel for schedule(dynamic, at_once(planes))
    for (int64 plane = 0; plane < planes; ++plane) {
        float *laid = scratch(room + pixels_room + room / 4 + 1), *row_of_pixels = laid + room;
        signed char* won = reinterpret_cast<signed char*>(row_of_pixels + pixels_room);
        std::memset(won, -1, room);
        for (int64 row = 0; row < w.rows; ++row)
            std::memcpy(won + front + row * pitch, winners + plane * number_of + row * w.columns, w.columns);
        for (int64 target = 0; target < targets; ++target) {
            const int64 number = target * planes + plane;
            const float* from = signal + number * number_of;
            for (int64 row = 0; row < w.rows; ++row) std::memcpy(laid + front + row * pitch, from + row * w.columns, w.columns * sizeof(float));
            const int64 next = target + 1 < targets ? number + planes : plane + 1;
            send(w, {won + front, laid + front, pitch}, row_of_pixels, result + number * area, {signal + next * number_of, result + next * area});
            finish(last, number, area, 0, area, result);
        }
    }
}

static void to_winners_around(
    const float* signal, const signed char* winners, const Windows& w, int64 targets, int64 planes, const Finish* last, float* result)
{
    const int64 area = w.height * w.width, margin = w.kernel_h * w.width + w.kernel_w, room = area + 2 * margin + LANES;
#pragma omp parallel for schedule(dynamic, at_once(planes))
    for (int64 plane = 0; plane < planes; ++plane) {
        float* laid = scratch(4 * room + room / 4 + 1);
        signed char* won = reinterpret_cast<signed char*>(laid + 4 * room);
        std::memset(won, -1, room);
        std::memcpy(won + margin, winners + plane * area, area);
        for (int64 target = 0, together; target < targets; target += together) {
            const int64 left = targets - target, first = target * planes + plane;
            together = left >= 4 ? 4 : left >= 2 ? 2 : 1;
            const auto send = together == 4 ? around_way<4>(w) : together == 2 ? around_way<2>(w) : around_way<1>(w);
            for (int64 t = 0; t < together; ++t)
                std::memcpy(laid + t * room + margin, signal + (first + t * planes) * area, area * sizeof(float));
            send(w, won + margin, laid + margin, room, signal + first * area, result + first * area, planes * area);
            for (int64 t = 0; t < together; ++t) finish(last, first + t * planes, area, 0, area, result);
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

// Sparse convolutions of one target, or a few: each pixel that is not 0 is sent to the sums in which it has a part:
//
//     sum[o][y + top - i][x + left - j] += weights[c][i][j][o] * pixel[c][y][x]      for all outputs o and cells (i, j) of the kernel
//
// A channel's pixels are listed; they meet the same weights, which stay in registers meanwhile. Their sums, of a few rows at a time, stay
// in the nearest cache.

// Where the sums of a row lie, some of them only so that each pixel has one for each cell: there is room for `pitch`. The pixel in column
// x goes to the one numbered x + origin - j; the result's first column is the one numbered `first`.
struct Grid {
    int64 origin, first, pitch;

    explicit Grid(const Slide& s)
        : origin(std::max(s.left, s.kernel_w - 1)), first(origin - s.left), pitch(std::max(origin + s.width, first + s.columns)) {}
};

// The pixels that are not 0 of some channels, one after the other: where their sums lie, counted from the plane's first row on, and their
// numbers.
struct Pixels {
    std::vector<int> places;
    std::vector<float> numbers;

    void make_room(int64 pixels)
    {
        if (static_cast<int64>(places.size()) < pixels) places.resize(2 * pixels), numbers.resize(2 * pixels);
    }
};

// Those of an image's channels, LISTED of them in each list.
struct Listing {
    std::vector<Pixels> parts;
    std::vector<int64> first;  // (channels, height + 1): where in its list each row begins, and where the last one ends
};

constexpr int64 SUMS = 12 << 10;    // numbers that stay in the nearest cache
constexpr int64 LISTED = 8;         // channels that are listed at a time
constexpr int64 SENT_AHEAD = 1024;  // by so many numbers weights are fetched before their turn

// The channels of all sources are counted together.
INLINE const float* plane_of(const Work& work, int64 image, int64 channel)
{
    const Source* source = work.sources;
    for (; channel >= source->channels; ++source) channel -= source->channels;
    return source->numbers + image * source->apart + channel * work.p.pixels;
}

// Some channels of an image; `first`: of the first one's rows.
static void list_channels(const Work& work, int64 image, const Slide& s, const Grid& grid, Range channels, Pixels& list, int64* first)
{
    int64 count = 0;
    for (int64 c = channels.first; c < channels.end; ++c) {
        const float* row = plane_of(work, image, c);
        for (int64 y = 0; y < s.height; ++y, row += s.width) {
            *first++ = count;
            list.make_room(count + s.width + LANES);
            for (int64 x = 0; x < s.width; x += LANES) {
                const Lanes pixels = load_row(row + x, s.width - x, 0);
                const unsigned bits = nonzero(pixels);
                if (!bits) continue;
                put_chosen(bits, pixels, &list.numbers[count]);
                count += put_numbers(bits, static_cast<int>(y * grid.pitch + x), &list.places[count]);
            }
        }
        *first++ = count;
    }
}

// Some pixels with a row of the kernel, W columns of V registers of weights, to where the last column's sums lie.
template <int W, int V>
INLINE void send(const int* places, const float* numbers, int64 number, const float* weights, float* sums)
{
    Lanes w[W][V];
#pragma GCC unroll 8
    for (int j = 0; j < W; ++j)
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) w[j][v] = load(weights + (j * V + v) * LANES);
    for (int64 n = 0; n < number; ++n) {
        float* to = sums + int64(places[n]) * (V * LANES);
#pragma GCC unroll 8
        for (int j = 0; j < W; ++j)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) {
                float* own = to + ((W - 1 - j) * V + v) * LANES;
                store(own, load(own) + numbers[n] * w[j][v]);
            }
    }
}

// A channel's pixels with its part of the kernel, (kernel_h, kernel_w, V registers), to the sums of some rows of results.
template <int W, int V>
INLINE void send_channel(
    const Pixels& list, const int64* first, const Slide& s, const Grid& grid, Range rows, const float* weights, float* sums)
{
    const int* const places = list.places.data();
    const float* const numbers = list.numbers.data();
    for (int64 i = 0; i < s.kernel_h; ++i, weights += s.kernel_w * V * LANES) {
        const int64 down = s.top - i, begin = first[std::clamp<int64>(rows.first - down, 0, s.height)];
        const int64 number = first[std::clamp<int64>(rows.end - down, 0, s.height)] - begin;
        float* row = sums + ((down - rows.first) * grid.pitch + grid.origin) * (V * LANES);
        for (int64 j = 0; j < s.kernel_w; j += W)
            send<W, V>(places + begin, numbers + begin, number, weights + j * V * LANES, row - (j + W - 1) * (V * LANES));
    }
}

// V registers of a bank's channels from the one numbered `channel` on, of some rows, to their places.
template <int V>
static void put_rows(const Work& work, const Bank& bank, int64 channel, int64 image, const Slide& s, const Grid& grid, Range rows, const float* sums)
{
    const int64 end = rows.end * s.columns;
    const float* row = sums + grid.first * V * LANES;
    for (int64 first = rows.first * s.columns, x = 0, number; first < end; first += number) {
        number = std::min<int64>(LANES, end - first);
        Lanes outputs[V][LANES];
        for (int64 j = 0; j < number; ++j, ++x) {
            if (x == s.columns) x = 0, row += grid.pitch * V * LANES;
            for (int v = 0; v < V; ++v) outputs[v][j] = load(row + (x * V + v) * LANES);
        }
        for (int v = 0; v < V; ++v)
            put_outputs(outputs[v], number, work, bank, channel + v * LANES, image, first, s.rows * s.columns);
    }
}

// Some rows of a block's results. All sources have a part in them, each by a bank of its own, or only the bank's. W: of the kernel's
// columns so many at a time.
template <int W, int V>
static void make_rows(const Work& work, const Block& block, int64 image, const Slide& s, const Grid& grid, const Listing& lists, Range rows, float* sums)
{
    std::memset(sums, 0, (rows.end - rows.first) * grid.pitch * V * LANES * sizeof(float));
    const int64 cells = s.kernel_h * s.kernel_w;
    int64 number = 0;  // of the channel, counted through all sources
    for (int64 source = 0; source < work.p.sources; ++source) {
        const int64 channels = work.sources[source].channels;
        const float* weights = (work.p.sum ? work.banks[source] : *block.bank).weights + block.channel * channels * cells;
        for (int64 c = 0; c < channels; ++c, ++number, weights += cells * V * LANES) {
            const int64* first = &lists.first[number * (s.height + 1)];
            fetch<0>(weights + SENT_AHEAD, cells * V * LANES);
            if (first[0] < first[s.height]) send_channel<W, V>(lists.parts[number / LISTED], first, s, grid, rows, weights, sums);
        }
    }
    put_rows<V>(work, *block.bank, block.channel, image, s, grid, rows, sums);
}

template <int W>
static auto maker(int registers)
{
    if constexpr (W == 1)  // of wider rows the weights of four would not fit
        if (registers == 4) return make_rows<W, 4>;
    return registers == 2 ? make_rows<W, 2> : make_rows<W, 1>;
}

// All images of a group, block by block: then they find the weights near. Weights are those of one block after the other, `widest`
// registers or half as many, (channels, kernel_h, kernel_w, registers).
static void scatter(const Work& work, const Group& group, const Slide& s, int64 widest)
{
    static thread_local std::vector<Listing> kept;
    if (static_cast<int64>(kept.size()) < group.targets) kept.resize(group.targets);
    Listing* const lists = kept.data();
    const Grid grid(s);
    const int64 channels = all_channels(work.sources, work.p), parts = up(channels, LISTED);
    for (int64 target = 0; target < group.targets; ++target) {
        if (static_cast<int64>(lists[target].parts.size()) < parts) lists[target].parts.resize(parts);
        lists[target].first.resize(channels * (s.height + 1));
    }

    const std::vector<Block> blocks = find_blocks(work, widest);
    const int64 count = static_cast<int64>(blocks.size()) * group.targets, wanted = 3 * omp_get_max_threads();
    const int64 near = std::max<int64>(1, SUMS / (grid.pitch * widest * LANES));
    const int64 together = share(s.rows, std::max(up(s.rows, near), up(wanted, count)), 1), strips = up(s.rows, together);
    const auto image_of = [&](int64 target) { return group.image + target * group.apart; };
#pragma omp parallel
    {
        const Normals only;
#pragma omp for schedule(dynamic, 1)
        for (int64 i = 0; i < parts * group.targets; ++i) {
            const int64 part = i % parts, first = part * LISTED;
            Listing& own = lists[i / parts];
            const Range some = {first, std::min(first + LISTED, channels)};
            list_channels(work, image_of(i / parts), s, grid, some, own.parts[part], &own.first[first * (s.height + 1)]);
        }
        float* sums = scratch(together * grid.pitch * widest * LANES);
#pragma omp for schedule(dynamic, 1)
        for (int64 i = 0; i < count * strips; ++i) {
            const Block& block = blocks[i / (strips * group.targets)];
            const int64 target = i / strips % group.targets, first = i % strips * together;
            const auto make = (s.kernel_w == 5 ? maker<5> : s.kernel_w == 3 ? maker<3> : maker<1>)(block.registers);
            make(work, block, image_of(target), s, grid, lists[target], {first, std::min(first + together, s.rows)}, sums);
        }
    }
}

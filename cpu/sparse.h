// Convolutions with stride 1 over images that are mostly 0, as they are under gates that have closed. Only pixels that are not 0 have a
// part in the sums:
//
//     result[o][y][x] = bias[o] + sum over rows i of the kernel and pixels (c, y + i - top, x + j - left) of weights[i][c][j][o] * pixel
//
// Neighbouring outputs see different pixels, so registers hold neighbouring output channels here, for one position at a time. The pixels
// of a row that are not 0 are listed column by column: then those that a row of the kernel sees lie one behind the other.

// Planes, the kernel that slides over them, and where it begins. As 64-bit integers in this order they come from Python.
struct Slide {
    int64 height, width, kernel_h, kernel_w, top, left, rows, columns;
};

// A pixel, and by which of a kernel row's filters it is multiplied: c * kernel_w + j, if the row began in column 0.
struct Pixel {
    int filter;
    float number;
};

// Those of a row that are not 0: of all channels, those in column x from `first[x]` to `first[x + 1]`.
struct Row {
    const Pixel* pixels;
    const int* first;
};

// Where some rows have them.
struct List {
    std::vector<Pixel> pixels;
    std::vector<int> first;
};

constexpr int64 LOOKS = 256;   // registers of an image that are looked at to see how many pixels are 0
constexpr int64 LISTED = 256;  // pixels of a list, about: what is read from a channel lies side by side

// Whether at most so many of a thousand pixels are not 0, by what is seen of them.
static bool mostly_zero(const Source* sources, const Products& p, int64 image, int64 most)
{
    int64 seen = 0, found = 0;
    for (const Source* source = sources; source < sources + p.sources; ++source) {
        const int64 size = source->channels * p.pixels, step = up(size, LOOKS * LANES) * LANES;
        const float* own = source->numbers + image * source->apart;
        for (int64 i = 0; i + LANES <= size; i += step, seen += LANES) found += __builtin_popcount(nonzero(load(own + i)));
    }
    return seen > 0 && 1000 * found <= most * seen;
}

// The pixels of all channels, from `from` on in each: work(channel, register, a bit for each that is not 0).
template <typename Work>
INLINE void over_registers(const float* from, int64 channels, int64 area, int64 pixels, const float* end, const Work& work)
{
    const int64 registers = up(pixels, LANES);
    const unsigned all = nonzero(Lanes{} + 1.0f), last = all >> (registers * LANES - pixels);
    for (int64 c = 0; c < channels; ++c, from += area) {
        for (int64 i = 0; i < registers - 1; ++i) work(c, i, nonzero(load(from + i * LANES)));
        float some[LANES];
        copy(from + (registers - 1) * LANES, pixels - (registers - 1) * LANES, end, some);
        work(c, registers - 1, nonzero(load(some)) & last);
    }
}

// Some rows of an image of so many channels, of which `rows` is the first.
static void list_rows(const float* image, int64 channels, Range here, const Slide& s, List& list, Row* rows)
{
    static thread_local std::vector<int> found, next;  // all that are not 0, channel by channel
    static thread_local std::vector<int64> ends;       // of each channel's
    const int64 pixels = (here.end - here.first) * s.width, registers = up(pixels, LANES), area = s.height * s.width;
    const float *from = image + here.first * s.width, *end = image + channels * area;
    found.resize(channels * pixels + LANES), ends.resize(channels), next.assign(registers * LANES, 0), list.first.resize(pixels + 1);
    int *const numbers = found.data(), *const at = next.data();
    int64 count = 0;
    over_registers(from, channels, area, pixels, end, [&](int64 c, int64 i, unsigned some) {
        count += put_numbers(some, static_cast<int>(i * LANES), numbers + count);
        ends[c] = count;
    });
    for (int64 i = 0; i < count; ++i) ++at[numbers[i]];
    int* const first = list.first.data();
    first[0] = 0;
    for (int64 q = 0; q < pixels; ++q) first[q + 1] = first[q] + at[q], at[q] = first[q];
    if (static_cast<int64>(list.pixels.size()) < first[pixels]) list.pixels.resize(first[pixels]);
    Pixel* const to = list.pixels.data();
    for (int64 c = 0, i = 0; c < channels; ++c)
        for (; i < ends[c]; ++i) to[at[numbers[i]]++] = {static_cast<int>(c * s.kernel_w), from[c * area + numbers[i]]};
    for (int64 q = 0; q < pixels; q += s.width, ++rows) {
        *rows = {to, first + q};
        for (int64 x = 0; x < s.width; ++x)
            for (int i = first[q + x]; i < first[q + x + 1]; ++i) to[i].filter += static_cast<int>(x);
    }
}

// Positions by channels -> channels by positions: of so many registers, the halves are taken in turn until all is in its place.
INLINE void transpose(Lanes (&a)[LANES])
{
    Lanes b[LANES];
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
#pragma GCC unroll 16
        for (int i = 0; i < LANES / 2; ++i) b[2 * i] = in_turn<0>(a[i], a[i + LANES / 2]), b[2 * i + 1] = in_turn<1>(a[i], a[i + LANES / 2]);
#pragma GCC unroll 16
        for (int i = 0; i < LANES; ++i) a[i] = b[i];
    }
}

INLINE int64 filter_size(const Bank& bank) { return (up(bank.outputs, LANES) | 1) * LANES; }  // an odd number of registers

// What an output sees in a row of pixels; the filter of a pixel counts from `filters` on.
struct Seen {
    const Pixel *pixels, *end;
    int64 filters;
};

// Some neighbouring outputs of an image, of which the first has this number, and what each of them sees in each source: (sources,
// outputs, kernel_h).
struct Neighbours {
    int64 image, first, number;
    const Seen* seen;
};

// `rows`: of an image's sources.
static void look(const Row* rows, const Work& work, const Slide& s, int64 first, int64 number, Seen* seen)
{
    for (int64 source = 0; source < work.p.sources; ++source, rows += s.height)
        for (int64 j = 0, y = first / s.columns - s.top, x = first % s.columns - s.left; j < number; ++j, seen += s.kernel_h) {
            const int64 left = std::max<int64>(0, x), right = std::max(left, std::min(s.width, x + s.kernel_w));
            for (int64 i = 0; i < s.kernel_h; ++i) {
                if (y + i < 0 || y + i >= s.height) {
                    seen[i] = {nullptr, nullptr, 0};
                    continue;
                }
                const Row& row = rows[y + i];
                seen[i] = {row.pixels + row.first[left], row.pixels + row.first[right], i * work.sources[source].channels * s.kernel_w - x};
            }
            if (++x == s.columns - s.left) ++y, x = -s.left;
        }
}

// V registers of a bank's channels from the one numbered `channel` on, of one output after the other; of all banks, where they add up.
template <int V>
INLINE void put_sums(const Neighbours& to, const Work& work, const Slide& s, const Bank& bank, int64 channel)
{
    Lanes sums[V][LANES];
    for (int64 j = 0; j < to.number; ++j) {
        Lanes sum[V] = {};
        for (const Bank* one = &bank; one < &bank + (work.p.sum ? work.p.banks : 1); ++one) {
            const int64 size = filter_size(*one);
            const Seen* seen = to.seen + (one->source * to.number + j) * s.kernel_h;
            for (int64 i = 0; i < s.kernel_h; ++i) {
                const float* weights = one->weights + seen[i].filters * size + channel;
                for (const Pixel* pixel = seen[i].pixels; pixel < seen[i].end; ++pixel)
                    for (int v = 0; v < V; ++v) sum[v] += pixel->number * load(weights + pixel->filter * size + v * LANES);
            }
        }
        for (int v = 0; v < V; ++v) sums[v][j] = sum[v];
    }
    const Finish last = work.last ? *work.last : Finish{};
    const Place there(last, to.image, bank.apart);
    for (int v = 0; v < V; ++v) {
        for (int64 j = to.number; j < LANES; ++j) sums[v][j] = Lanes{};
        transpose(sums[v]);
        const int64 outputs = s.rows * s.columns, begin = channel + v * LANES;
        for (int64 r = 0; r < std::min<int64>(LANES, bank.outputs - begin); ++r) {
            const Lanes done[1] = {with_bias(sums[v][r], bank.bias ? bank.bias[begin + r] : 0, bank.rectified)};
            const int64 first = (begin + r) * outputs + to.first;
            if (to.number == LANES) {
                finish(last, there + first, done, bank.result);
                continue;
            }
            float lane[LANES];
            store(lane, done[0]);
            finish(&last, to.image, bank.apart, first, to.number, lane, bank.result);
        }
    }
}

// Some neighbouring channels of a bank: so many registers, from one on.
struct Block {
    const Bank* bank;
    int64 channel, registers;
};

static std::vector<Block> find_blocks(const Work& work)
{
    std::vector<Block> blocks;
    for (const Bank* bank = work.banks; bank < work.banks + (work.p.sum ? 1 : work.p.banks); ++bank)
        for (int64 channel = 0, left; (left = up(bank->outputs - channel, LANES)) > 0; channel += blocks.back().registers * LANES)
            blocks.push_back({bank, channel, left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1});
    return blocks;
}

static void put_block(const Neighbours& to, const Work& work, const Slide& s, const Block& block)
{
    if (block.registers == 8) put_sums<8>(to, work, s, *block.bank, block.channel);
    else if (block.registers == 4) put_sums<4>(to, work, s, *block.bank, block.channel);
    else if (block.registers == 2) put_sums<2>(to, work, s, *block.bank, block.channel);
    else put_sums<1>(to, work, s, *block.bank, block.channel);
}

// What `multiply` does, for any kernel, over the images of which at most `most` of a thousand pixels are not 0. If there are others, the
// function `otherwise` works on all images before. Weights are (kernel_h, channels, kernel_w, filter_size); there is one group.
static void sparse(
    const Source* sources, const Bank* banks, const Products& p, const Finish* last, const Slide& s, int64 most, Asked otherwise,
    const int64* arguments)
{
    std::vector<int64> images;
    for (int64 image = 0; image < p.images; ++image)
        if (mostly_zero(sources, p, image, most)) images.push_back(image);
    const int64 number = static_cast<int64>(images.size());
    if (number < p.images) otherwise(0, arguments);
    if (number == 0) return;

    const int64 wanted_lists = up(2 * omp_get_max_threads(), number * p.sources);
    const int64 some = std::max<int64>(1, std::min(LISTED / s.width, s.height / wanted_lists)), parts = up(s.height, some);
    const int64 outputs = s.rows * s.columns, strips = up(outputs, LANES);
    static thread_local std::vector<List> kept;
    if (static_cast<int64>(kept.size()) < number * p.sources * parts) kept.resize(number * p.sources * parts);
    List* const lists = kept.data();
    std::vector<Row> rows(number * p.sources * s.height);
    const Work work = {p, sources, banks, last, 0};
    const std::vector<Block> blocks = find_blocks(work);
    const int64 of_image = static_cast<int64>(blocks.size()), wanted = up(4 * omp_get_max_threads(), number * of_image);
    const int64 chunk = share(strips, wanted, 1), chunks = up(strips, chunk);
#pragma omp parallel
    {
        const Normals only;
        std::vector<Seen> seen(p.sources * LANES * s.kernel_h);
#pragma omp for schedule(dynamic, 1)
        for (int64 i = 0; i < number * p.sources * parts; ++i) {
            const int64 one = i / parts, first = i % parts * some;
            const Source& source = sources[one % p.sources];
            const float* image = source.numbers + images[one / p.sources] * source.apart;
            list_rows(image, source.channels, {first, std::min(first + some, s.height)}, s, lists[i], &rows[one * s.height + first]);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64 i = 0; i < number * of_image * chunks; ++i) {
            const int64 image = i / (of_image * chunks), first = i % chunks * chunk;
            const Row* own = &rows[image * p.sources * s.height];
            for (int64 strip = first; strip < std::min(first + chunk, strips); ++strip) {
                const int64 output = strip * LANES;
                const Neighbours to = {images[image], output, std::min<int64>(LANES, outputs - output), seen.data()};
                look(own, work, s, output, to.number, seen.data());
                put_block(to, work, s, blocks[i / chunks % of_image]);
            }
        }
    }
}

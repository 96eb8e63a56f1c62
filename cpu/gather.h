// Sparse convolutions of several targets, whose signals are 0 at the same places, mostly: up to 8 of them are listed together, and read
// the weights once.
//
//     result[o][y][x] = bias[o] + sum over rows i of the kernel and pixels (c, y + i - top, x + j - left) of weights[i][c][j][o] * pixel
//
// Sums stay in registers, for one position at a time. The pixels of a row that are not 0 are listed column by column: then those that a
// row of the kernel sees lie one behind the other.

// Pixels that are not 0 in any image of a group: where the filters begin by which they are multiplied, those of c * kernel_w + j if
// the kernel's row began in column 0; and their numbers, one for each image. The q-th pixel's begin at `first[q]`.
struct List {
    std::vector<int64> filters;
    std::vector<int> first;
    std::vector<float> numbers;
};

// Those of a row: in column x from `first[x]` to `first[x + 1]`.
struct Row {
    const int64* filters;
    const int* first;
    const float* numbers;
};

INLINE int64 filter_size(const Bank& bank) { return (up(bank.outputs, LANES) | 1) * LANES; }  // an odd number of registers

// How far a source's filters lie from the first one's, in numbers: all sources make one list. Their banks add up, and have filters of one
// size.
INLINE int64 filters_of(const Work& work, const Source& source)
{
    const auto place = [](const float* weights) { return reinterpret_cast<intptr_t>(weights) / static_cast<intptr_t>(sizeof(float)); };
    return place(work.banks[&source - work.sources].weights) - place(work.banks[0].weights);
}

constexpr int64 TAKEN = 512;  // pixels of a list, of all its images, about: what is read of a channel lies side by side

// Which of some pixels are not 0, channel by channel, of all sources: their numbers, and where each channel's end.
struct Found {
    std::vector<int> pixels;
    std::vector<int64> ends;
};

// Some pixels from `from` on, in all channels of a source and in T images, `apart` from each other; nothing is read from `end` of an
// image on.
template <int T>
static void find_pixels(const float* from, const float* end, int64 channels, int64 area, int64 apart, int64 pixels, Found& found)
{
    const int64 registers = up(pixels, LANES);
    const unsigned last = (2u << (pixels - 1) % LANES) - 1;  // the bits of the last register
    int64 count = found.ends.empty() ? 0 : found.ends.back();
    found.pixels.resize(count + channels * pixels + LANES);
    for (int64 c = 0; c < channels; ++c, from += area) {
        if (c + 3 < channels)
            for (int t = 0; t < T; ++t) fetch<0>(from + 3 * area + t * apart, pixels);
        for (int64 i = 0; i < registers; ++i) {
            unsigned bits = 0;
            if (from + (i + 1) * LANES <= end) bits = any_nonzero(from + i * LANES, T, apart);
            else
                for (int t = 0; t < T; ++t)
                    for (int64 j = 0; i * LANES + j < pixels; ++j) bits |= unsigned(from[t * apart + i * LANES + j] != 0) << j;
            count += put_numbers(i < registers - 1 ? bits : bits & last, static_cast<int>(i * LANES), found.pixels.data() + count);
        }
        found.ends.push_back(count);
    }
}

// How many of those there are of each pixel, added up: where in a list each one's begin. Returns how many there are in all.
static int64 count_pixels(const Found& found, int64 pixels, std::vector<int>& first)
{
    first.assign(pixels + 1, 0);
    for (int64 i = 0; i < found.ends.back(); ++i) ++first[found.pixels[i] + 1];
    for (int64 q = 0; q < pixels; ++q) first[q + 1] += first[q];
    return first[pixels];
}

// Some rows of T images of all sources; `rows` is where the first one goes.
template <int T>
static void list_rows(const Work& work, const Group& group, Range here, const Slide& s, List& list, Row* rows)
{
    static thread_local Found found;
    static thread_local std::vector<int> next;  // of each pixel: where in the list its next channel goes
    const int64 pixels = (here.end - here.first) * s.width, area = s.height * s.width, step = filter_size(*work.banks);
    const auto image_of = [&](const Source& source) { return source.numbers + group.image * source.apart; };
    found.ends.clear();
    for (const Source* source = work.sources; source < work.sources + work.p.sources; ++source) {
        const float* image = image_of(*source);
        const float *from = image + here.first * s.width, *end = image + source->channels * area;
        find_pixels<T>(from, end, source->channels, area, group.apart * source->apart, pixels, found);
    }
    const int64 count = count_pixels(found, pixels, list.first);
    next = list.first;
    if (static_cast<int64>(list.filters.size()) < count) list.filters.resize(count);
    if (static_cast<int64>(list.numbers.size()) < count * T) list.numbers.resize(count * T);
    int64* const filters = list.filters.data();
    float* const numbers = list.numbers.data();
    const int64* end = found.ends.data();  // of a channel
    int64 i = 0;
    for (const Source* source = work.sources; source < work.sources + work.p.sources; ++source) {
        const float* from = image_of(*source) + here.first * s.width;
        const int64 begin = filters_of(work, *source), apart = group.apart * source->apart;
        for (int64 c = 0; c < source->channels; ++c, ++end)
            for (; i < *end; ++i) {
                const int pixel = found.pixels[i], place = next[pixel]++;
                const float* number = from + c * area + pixel;
                filters[place] = begin + c * s.kernel_w * step;
#pragma GCC unroll 8
                for (int t = 0; t < T; ++t) numbers[place * T + t] = number[t * apart];
            }
    }
    const int* first = list.first.data();
    for (int64 q = 0; q < pixels; q += s.width, first += s.width, ++rows) {
        *rows = {filters, first, numbers};
        for (int64 x = 0; x < s.width; ++x)
            for (int k = first[x]; k < first[x + 1]; ++k) filters[k] += x * step;
    }
}

// The terms of such sums, for tile.h: filters stand where pixels stand elsewhere, and the targets' pixels where weights do.
struct Listed {
    const int64* filters;
    int64 begin, targets;
    int64 operator[](int64 n) const { return begin + filters[n]; }
    const float* row(const float* next, int64 n) const { return next + n * (targets - ROWS); }
};

// What an output sees in a row of pixels; filters count from `begin` on.
struct Seen {
    const int64* filters;
    const float* numbers;
    int64 number, begin;
};

// Some neighbouring outputs of a group's images, of which the first has this number, and what each of them sees: (outputs, kernel_h).
struct Neighbours {
    const Group& group;
    int64 first, number;
    const Seen* seen;
};

static void look(const Row* rows, const Work& work, const Slide& s, int64 targets, int64 first, int64 number, Seen* seen)
{
    const int64 row_size = work.sources->channels * s.kernel_w, step = filter_size(*work.banks);
    for (int64 j = 0, y = first / s.columns - s.top, x = first % s.columns - s.left; j < number; ++j, seen += s.kernel_h) {
        const int64 left = std::clamp<int64>(x, 0, s.width), right = std::clamp<int64>(x + s.kernel_w, 0, s.width);
        for (int64 i = 0; i < s.kernel_h; ++i) {
            if (y + i < 0 || y + i >= s.height) {
                seen[i] = {nullptr, nullptr, 0, 0};
                continue;
            }
            const Row& row = rows[y + i];
            const int begin = row.first[left];
            seen[i] = {row.filters + begin, row.numbers + begin * targets, row.first[right] - begin, (i * row_size - x) * step};
        }
        if (++x == s.columns - s.left) ++y, x = -s.left;
    }
}

// V registers of a bank's channels from the one numbered `channel` on, of one output after the other, for T targets.
template <int T, int V>
static void put_sums(const Neighbours& to, const Work& work, const Slide& s, const Bank& bank, int64 channel)
{
    Lanes sums[T][V][LANES];
    for (int64 j = 0; j < to.number; ++j) {
        Lanes sum[T][V] = {};
        for (const Seen* seen = to.seen + j * s.kernel_h; seen < to.seen + (j + 1) * s.kernel_h; ++seen)
            add_terms(bank.weights + channel, Listed{seen->filters, seen->begin, T}, seen->number, seen->numbers, sum);
        for (int t = 0; t < T; ++t)
            for (int v = 0; v < V; ++v) sums[t][v][j] = sum[t][v];
    }
    for (int t = 0; t < T; ++t)
        for (int v = 0; v < V; ++v) {
            const int64 image = to.group.image + t * to.group.apart;
            put_outputs(sums[t][v], to.number, work, bank, channel + v * LANES, image, to.first, s.rows * s.columns);
        }
}

// How many registers of channels are worked on at once, for T targets: as many as, T times, the processor has room for as sums.
template <int T>
constexpr int WIDEST = T == 8 ? (ROWS * VECTORS >= 24 ? 3 : 1) : T == 4 ? (ROWS * VECTORS >= 16 ? 4 : 2) : 8;

template <int T, int V = WIDEST<T>>
static void put_block(const Neighbours& to, const Work& work, const Slide& s, const Block& block)
{
    if (block.registers == V) put_sums<T, V>(to, work, s, *block.bank, block.channel);
    else if constexpr (V > 1) put_block<T, narrower(V)>(to, work, s, block);
}

// T of a group's images.
template <int T>
static void gather_some(const Group& group, const Work& work, const Slide& s)
{
    const int64 threads = omp_get_max_threads();
    const int64 some = std::max<int64>(1, std::min(TAKEN / (s.width * T), s.height / (2 * threads))), parts = up(s.height, some);
    const int64 outputs = s.rows * s.columns, strips = up(outputs, LANES);
    static thread_local std::vector<List> kept;
    static thread_local std::vector<Row> kept_rows;
    if (static_cast<int64>(kept.size()) < parts) kept.resize(parts);
    kept_rows.resize(s.height);
    List* const lists = kept.data();
    Row* const rows = kept_rows.data();
    const std::vector<Block> blocks = find_blocks(work, WIDEST<T>);
    const int64 count = static_cast<int64>(blocks.size()), chunk = share(strips, up(4 * threads, count), 1), chunks = up(strips, chunk);
#pragma omp parallel
    {
        const Normals only;
        std::vector<Seen> seen(LANES * s.kernel_h);
#pragma omp for schedule(dynamic, 1)
        for (int64 i = 0; i < parts; ++i)
            list_rows<T>(work, group, {i * some, std::min(i * some + some, s.height)}, s, lists[i], rows + i * some);
#pragma omp for schedule(dynamic, 1)
        for (int64 i = 0; i < count * chunks; ++i) {
            const int64 first = i % chunks * chunk;
            for (int64 strip = first; strip < std::min(first + chunk, strips); ++strip) {
                const Neighbours to = {group, strip * LANES, std::min<int64>(LANES, outputs - strip * LANES), seen.data()};
                look(rows, work, s, T, to.first, to.number, seen.data());
                put_block<T>(to, work, s, blocks[i / chunks]);
            }
        }
    }
}

// All images of a group, whose sources add up, if there are several: gradients. Weights are (kernel_h, channels, kernel_w, filter_size).
static void gather_group(const Work& work, const Group& group, const Slide& s)
{
    for (int64 target = 0, together; target < group.targets; target += together) {
        for (together = 8; together > group.targets - target; together /= 2) {}
        const auto of_some = together == 8 ? gather_some<8> : together == 4 ? gather_some<4> : together == 2 ? gather_some<2> : gather_some<1>;
        of_some({group.image + target * group.apart, together, group.apart}, work, s);
    }
}

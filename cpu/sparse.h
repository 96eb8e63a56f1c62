// Convolutions with stride 1 over images that are mostly 0, as they are under gates that have closed, and as signals are below maxima.
// Only pixels that are not 0 have a part in the sums:
//
//     result[o][y][x] = bias[o] + sum over rows i of the kernel and pixels (c, y + i - top, x + j - left) of weights[i][c][j][o] * pixel
//
// Neighbouring outputs see different pixels, so registers hold neighbouring output channels here, for one position at a time. The pixels
// of a row that are not 0 are listed column by column: then those that a row of the kernel sees lie one behind the other. Signals of
// several targets at one image are 0 at the same places, mostly: up to 8 of them are listed together, and read the weights once.

// Planes, the kernel that slides over them, and where it begins. As 64-bit integers in this order they come from Python.
struct Slide {
    int64 height, width, kernel_h, kernel_w, top, left, rows, columns;
};

// Images that are alike: the first one, how many there are, and how far it is from one to the next.
struct Group {
    int64 image, targets, apart;
};

// Pixels that are not 0 in all images of a group: by which of a kernel row's filters they are multiplied, c * kernel_w + j if the row
// began in column 0 (in `steps`, below); and their numbers, one for each image. The q-th pixel's begin at `first[q]`.
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

// Banks that add up have filters of one size, and all sources make one list: then it tells how many numbers lie between a filter and the
// first bank's. Otherwise banks differ in size and share a source: then it tells how many filters lie before one.
INLINE int64 steps(const Work& work) { return work.p.sum ? filter_size(*work.banks) : 1; }

// How far a source's filters lie from the first bank's.
INLINE int64 steps_to(const Work& work, const Source& source)
{
    const auto place = [](const float* weights) { return reinterpret_cast<intptr_t>(weights) / static_cast<intptr_t>(sizeof(float)); };
    return work.p.sum ? place(work.banks[&source - work.sources].weights) - place(work.banks[0].weights) : 0;
}

constexpr int64 LOOKS = 256;   // registers of an image that are looked at to see how many pixels are 0
constexpr int64 LISTED = 512;  // pixels of a list, of all its images, about: what is read of a channel lies side by side

// A bit for each of some pixels that is not 0 in all targets' images, `apart` from each other.
INLINE unsigned any_nonzero(const float* pixels, int64 targets, int64 apart)
{
    unsigned found = 0;
    for (int64 t = 0; t < targets; ++t) found |= nonzero(load(pixels + t * apart));
    return found;
}

// Whether at most so many of a thousand pixels are not 0, by what is seen of them.
static bool mostly_zero(const Source* sources, const Products& p, const Group& group, int64 most)
{
    int64 seen = 0, found = 0;
    for (const Source* source = sources; source < sources + p.sources; ++source) {
        const int64 size = source->channels * p.pixels, step = up(size, LOOKS * LANES) * LANES;
        const float* own = source->numbers + group.image * source->apart;
        for (int64 i = 0; i + LANES <= size; i += step, seen += LANES)
            found += __builtin_popcount(any_nonzero(own + i, group.targets, group.apart * source->apart));
    }
    return seen > 0 && 1000 * found <= most * seen;
}

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
    const int64 pixels = (here.end - here.first) * s.width, area = s.height * s.width, step = steps(work);
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
        const int64 begin = steps_to(work, *source), apart = group.apart * source->apart;
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

// The terms of such sums, for tile.h: filters stand where pixels stand elsewhere, and the targets' pixels where weights do.
struct Listed {
    const int64* filters;
    int64 begin, size, targets;
    int64 operator[](int64 n) const { return (begin + filters[n]) * size; }
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
    const int64 row_size = work.sources->channels * s.kernel_w, step = steps(work);
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
    const int64 size = filter_size(bank) / steps(work);
    Lanes sums[T][V][LANES];
    for (int64 j = 0; j < to.number; ++j) {
        Lanes sum[T][V] = {};
        for (const Seen* seen = to.seen + j * s.kernel_h; seen < to.seen + (j + 1) * s.kernel_h; ++seen)
            add_terms(bank.weights + channel, Listed{seen->filters, seen->begin, size, T}, seen->number, seen->numbers, sum);
        for (int t = 0; t < T; ++t)
            for (int v = 0; v < V; ++v) sums[t][v][j] = sum[t][v];
    }
    const Finish last = work.last ? *work.last : Finish{};
    const int64 outputs = s.rows * s.columns;
    for (int t = 0; t < T; ++t)
        for (int v = 0; v < V; ++v) {
            for (int64 j = to.number; j < LANES; ++j) sums[t][v][j] = Lanes{};
            transpose(sums[t][v]);
            const int64 begin = channel + v * LANES, image = to.group.image + t * to.group.apart;
            const Place there(last, image, bank.apart);
            for (int64 r = 0; r < std::min<int64>(LANES, bank.outputs - begin); ++r) {
                const Lanes done[1] = {with_bias(sums[t][v][r], bank.bias ? bank.bias[begin + r] : 0, bank.rectified)};
                const int64 first = (begin + r) * outputs + to.first;
                if (to.number == LANES) {
                    finish(last, there + first, done, bank.result);
                    continue;
                }
                float lane[LANES];
                store(lane, done[0]);
                finish(&last, image, bank.apart, first, to.number, lane, bank.result);
            }
        }
}

// Some neighbouring channels of a bank: so many registers, from one on.
struct Block {
    const Bank* bank;
    int64 channel;
    int registers;
};

// How many registers of channels are worked on at once, for T targets: as many as, T times, the processor has room for as sums.
template <int T>
constexpr int WIDEST = T == 8 ? (ROWS * VECTORS >= 24 ? 3 : 1) : T == 4 ? (ROWS * VECTORS >= 16 ? 4 : 2) : 8;

constexpr int narrower(int registers) { return registers == 3 ? 2 : registers / 2; }

template <int T>
static std::vector<Block> find_blocks(const Work& work)
{
    std::vector<Block> blocks;
    for (const Bank* bank = work.banks; bank < work.banks + (work.p.sum ? 1 : work.p.banks); ++bank)
        for (int64 channel = 0, left; (left = up(bank->outputs - channel, LANES)) > 0; channel += blocks.back().registers * LANES) {
            int registers = WIDEST<T>;
            while (registers > left) registers = narrower(registers);
            blocks.push_back({bank, channel, registers});
        }
    return blocks;
}

template <int T, int V = WIDEST<T>>
static void put_block(const Neighbours& to, const Work& work, const Slide& s, const Block& block)
{
    if (block.registers == V) put_sums<T, V>(to, work, s, *block.bank, block.channel);
    else if constexpr (V > 1) put_block<T, narrower(V)>(to, work, s, block);
}

// A group's images, T in number.
template <int T>
static void sparse_group(const Group& group, const Work& work, const Slide& s)
{
    const int64 threads = omp_get_max_threads();
    const int64 some = std::max<int64>(1, std::min(LISTED / (s.width * T), s.height / (2 * threads))), parts = up(s.height, some);
    const int64 outputs = s.rows * s.columns, strips = up(outputs, LANES);
    static thread_local std::vector<List> kept;
    static thread_local std::vector<Row> kept_rows;
    if (static_cast<int64>(kept.size()) < parts) kept.resize(parts);
    kept_rows.resize(s.height);
    List* const lists = kept.data();
    Row* const rows = kept_rows.data();
    const std::vector<Block> blocks = find_blocks<T>(work);
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

// What `multiply` does, for any kernel, over the images of which at most `most` of a thousand pixels are not 0. If there are others, the
// function `otherwise` works on all images before, since it cannot leave some out. There are `targets` images that are alike, of each as
// many; weights are (kernel_h, channels, kernel_w, filter_size); there is one group of channels.
static void sparse(
    const Source* sources, const Bank* banks, const Products& p, const Finish* last, const Slide& s, int64 targets, int64 most,
    Asked otherwise, const int64* arguments)
{
    const int64 apart = targets > 0 ? p.images / targets : 0;
    std::vector<int64> images;
    for (int64 image = 0; image < apart; ++image)
        if (mostly_zero(sources, p, {image, targets, apart}, most)) images.push_back(image);
    if (static_cast<int64>(images.size()) < apart) otherwise(0, arguments);
    const Work work = {p, sources, banks, last, 0};
    for (const int64 image : images)
        for (int64 target = 0, together; target < targets; target += together) {
            for (together = 8; together > targets - target; together /= 2) {}
            const auto work_on = together == 8 ? sparse_group<8> : together == 4 ? sparse_group<4> : together == 2 ? sparse_group<2> : sparse_group<1>;
            work_on({image + target * apart, together, apart}, work, s);
        }
}

// Convolutions with 1 x 1 kernels that visit every pixel: products of matrices, (outputs, channels) by (channels, pixels). The pixels
// of all images count as one row, so that no lane idles where an image ends.
//
// Each thread first gathers some pixels of all channels into panels, one for each tile, (channels, pixels of the tile): then all
// blocks of outputs read near streams, and what is far away is read and written in long stretches. Meanwhile the pixels that it
// will gather next are fetched. Channels that are 0 all over a tile have no part in its sums: behind ReLUs, closed gates and where no
// mass arrives there are many.

// Images, `apart` from one to the next: in each group so many channels. As 64-bit integers in this order they come from Python, as
// all that follows.
struct Source {
    const float* numbers;
    int64 channels, apart;
};

// Filters over a source, and where their results belong.
struct Bank {
    int64 source;
    const float *weights, *bias;
    int64 rectified, outputs;  // of one group
    float* result;
    int64 apart;  // from image to image
};

// Several banks may read one source, which is gathered once for all of them. Or all of them have one result: then they add up,
// one after the other.
struct Products {
    int64 images, groups, pixels, sources, banks, sum;
};

INLINE int64 all_channels(const Source* sources, const Products& p)
{
    int64 channels = 0;
    for (int64 i = 0; i < p.sources; ++i) channels += sources[i].channels;
    return channels;
}

// What a thread works on.
struct Work {
    const Products& p;
    const Source* sources;
    const Bank* banks;
    const Finish* last;
    int64 group;
};

// Pixels of one image, side by side; `to`: where in the tile.
struct Piece {
    int64 image, pixel, to, number;
};

// The pixels of a tile: where they begin among those that are gathered.
struct Panel {
    int64 first, pixels;
    std::vector<Piece> pieces;
};

// The pieces of `number` pixels from the one numbered `first` on, counted through all images.
static std::vector<Piece> find_pieces(int64 first, int64 number, int64 pixels)
{
    std::vector<Piece> pieces;
    for (int64 done = 0, next; done < number; done = next) {
        const int64 pixel = (first + done) % pixels;
        next = std::min(number, done + pixels - pixel);
        pieces.push_back({(first + done) / pixels, pixel, done, next - done});
    }
    return pieces;
}

static std::vector<Panel> find_panels(const Products& p, Range vectors)
{
    std::vector<Panel> panels;
    in_tiles(vectors.end - vectors.first, [&](auto width, int64 vector) {
        const int64 first = (vectors.first + vector) * LANES, pixels = width.vectors * LANES;
        panels.push_back({vector * LANES, pixels, find_pieces(first, std::min(pixels, p.images * p.pixels - first), p.pixels)});
    });
    return panels;
}

// Where a channel begins in a panel; `channels`: of all sources, which a panel has one after the other. Behind each panel there is room
// for a register.
INLINE int64 place(const std::vector<Panel>& panels, std::size_t number, int64 channels, int64 channel)
{
    const Panel& panel = panels[number];
    return channels * panel.first + channel * panel.pixels + number * LANES;
}

// Which channels of each panel and source are not 0 all over.
struct Active {
    int64 channels, sources;
    std::vector<int> numbers;   // (panels, channels)
    std::vector<int64> counts;  // (panels, sources)

    Active(int64 channels, int64 sources, std::size_t panels)
        : channels(channels), sources(sources), numbers(panels * channels), counts(panels * sources) {}

    int* first(std::size_t panel, int64 channel) { return numbers.data() + panel * channels + channel; }
    int64& count(std::size_t panel, int64 source) { return counts[panel * sources + source]; }
};

INLINE bool nothing_there(const float* row, int64 pixels)
{
    return pixels == 3 * LANES ? all_zero<3>(row) : pixels == 2 * LANES ? all_zero<2>(row) : all_zero<1>(row);
}

// A source into its part of all panels: from this channel on, of so many.
static void gather(
    const Source& source, const Work& work, const std::vector<Panel>& panels, int64 channel, Active& active, float* gathered)
{
    const int64 number = &source - work.sources, channels = active.channels;
    const int64 pixels = work.p.pixels, apart = source.apart;
    const float* own = source.numbers + work.group * source.channels * pixels;
    const float* end = own + (work.p.images - 1) * apart + source.channels * pixels;
    std::vector<float*> to;
    for (std::size_t i = 0; i < panels.size(); ++i) to.push_back(gathered + place(panels, i, channels, channel));
    for (int64 c = 0; c < source.channels; ++c)
        for (std::size_t i = 0; i < panels.size(); to[i] += panels[i].pixels, ++i) {
            for (const Piece& piece : panels[i].pieces)  // what is written beyond one, the next one writes over
                copy(own + piece.image * apart + c * pixels + piece.pixel, piece.number, end, to[i] + piece.to);
            if (!nothing_there(to[i], panels[i].pixels)) active.first(i, channel)[active.count(i, number)++] = static_cast<int>(c);
        }
}

// What becomes of a bank's sums. Of banks that add up only the first meets what was there before, and only the last ends it.
INLINE Finish ending(const Work& work, const Bank& bank)
{
    const Finish whole = work.last ? *work.last : Finish{};
    if (!work.p.sum) return whole;
    const bool first = &bank == work.banks, end = &bank == work.banks + work.p.banks - 1;
    return {first ? whole.onto : bank.result, whole.times, end ? whole.where : nullptr, whole.images};
}

INLINE int64 rows_of(const Bank& bank, int64 block) { return std::min<int64>(ROWS, bank.outputs - block * ROWS); }

// Where a block of a bank's outputs begins in an image, at one of its pixels.
INLINE int64 place(const Work& work, const Bank& bank, int64 block, int64 pixel)
{
    return (work.group * bank.outputs + block * ROWS) * work.p.pixels + pixel;
}

// A tile's sums to their places.
template <int V>
INLINE void put_pixels(const Lanes (&sum)[ROWS][V], const Work& work, const Bank& bank, int64 block, const std::vector<Piece>& pieces)
{
    const float* bias = bank.bias ? bank.bias + (work.group * up(bank.outputs, ROWS) + block) * ROWS : nullptr;
    const Finish last = ending(work, bank);
    const bool whole = pieces[0].number == V * LANES;
    const Place there(last, pieces[0].image, bank.apart);
    for (int64 r = 0; r < rows_of(bank, block); ++r) {
        const int64 plane = place(work, bank, block, r * work.p.pixels);
        Lanes done[V];
        for (int v = 0; v < V; ++v) done[v] = with_bias(sum[r][v], bias ? bias[r] : 0, bank.rectified);
        if (whole) {
            finish(last, there + plane + pieces[0].pixel, done, bank.result);
            continue;
        }
        float lane[V * LANES];
        for (int v = 0; v < V; ++v) store(lane + v * LANES, done[v]);
        for (const Piece& piece : pieces)
            finish(&last, piece.image, bank.apart, plane + piece.pixel, piece.number, lane + piece.to, bank.result);
    }
}

// The same for all banks of a sum, where the tile's pixels lie side by side: they are added up before any of it goes to its place.
// `sums_of(bank, sum)` makes a bank's.
template <int V, typename Sums>
INLINE void put_total(const Work& work, int64 block, const Piece& piece, const Sums& sums_of)
{
    const Finish f = work.last ? *work.last : Finish{};
    const Bank& bank = work.banks[0];
    const int64 rows = rows_of(bank, block), pixels = work.p.pixels;
    const Place there = Place(f, piece.image, bank.apart) + place(work, bank, block, piece.pixel);
    Lanes total[ROWS][V];
    for (int64 i = 0; i < work.p.banks; ++i) {
        Lanes sum[ROWS][V];
        sums_of(work.banks[i], sum);
        for (int64 r = 0; r < rows; ++r)
            for (int v = 0; v < V; ++v) {
                const int64 at = r * pixels + v * LANES;
                if (f.times) sum[r][v] = rounded(sum[r][v] * load(f.times + there.shared + at));
                if (i > 0) total[r][v] = total[r][v] + sum[r][v];
                else total[r][v] = f.onto ? load(f.onto + there.own + at) + sum[r][v] : sum[r][v];
            }
    }
    const Finish end = {nullptr, nullptr, f.where, f.images};
    for (int64 r = 0; r < rows; ++r) finish(end, there + r * pixels, total[r], bank.result);
}

template <int V, bool written>
INLINE void fetch_rows(const float* first, int64 apart, int64 rows)
{
    for (int64 r = 0; r < rows; ++r)
        for (int v = 0; v <= V; ++v) __builtin_prefetch(first + r * apart + v * LANES, written, 3);
}

// What a tile's sums will meet, while they are being made.
template <int V>
INLINE void fetch_places(const Work& work, const Bank& bank, int64 block, const Piece& piece)
{
    const int64 first = place(work, bank, block, piece.pixel), rows = rows_of(bank, block), pixels = work.p.pixels;
    fetch_rows<V, true>(bank.result + piece.image * bank.apart + first, pixels, rows);
    if (!work.last) return;
    const int64 shared = piece.image % work.last->images * bank.apart + first;
    if (work.last->onto) fetch_rows<V, false>(work.last->onto + piece.image * bank.apart + first, pixels, rows);
    if (work.last->times) fetch_rows<V, false>(work.last->times + shared, pixels, rows);
    if (work.last->where) fetch_rows<V, false>(work.last->where + shared, pixels, rows);
}

constexpr int64 STRIP = 24;  // vectors of pixels at a time: few enough that what is fetched meanwhile fits beside them

// Where a channel's `vector`-th vector of pixels begins.
INLINE const float* find_vector(const Work& work, const Source& source, int64 vector)
{
    const int64 pixel = vector * LANES, pixels = work.p.pixels;
    return source.numbers + work.group * source.channels * pixels + pixel / pixels * source.apart + pixel % pixels;
}

// Some vectors of pixels for some blocks of ROWS outputs, counted over all banks in turn. `next`: the vectors that follow.
static void multiply_strip(const Work& work, Range vectors, Range next, Range blocks)
{
    const Products& p = work.p;
    const std::vector<Panel> panels = find_panels(p, vectors);
    int64 channels = 0;
    std::vector<int64> channel, fetched;  // of each source
    for (const Source* source = work.sources; source < work.sources + p.sources; ++source) {
        channel.push_back(channels), fetched.push_back(next.first);
        channels += source->channels;
    }
    float* gathered = scratch(place(panels, panels.size() - 1, channels, channels) + LANES);
    Active active(channels, p.sources, panels.size());
    for (int64 i = 0; i < p.sources; ++i) gather(work.sources[i], work, panels, channel[i], active, gathered);
    std::size_t panel = 0;
    const auto sums_of = [&](const Bank& bank, int64 block, auto& sum) {
        constexpr int V = std::extent_v<std::remove_reference_t<decltype(sum)>, 1>;
        const Source& source = work.sources[bank.source];
        const float* weights = bank.weights + (work.group * up(bank.outputs, ROWS) + block) * source.channels * ROWS;
        int64& ahead = fetched[bank.source];
        const Ahead fetch = {ahead < next.end ? find_vector(work, source, ahead++) : weights, p.pixels};
        const float* from = gathered + place(panels, panel, channels, channel[bank.source]);
        const int64 count = active.count(panel, bank.source);
        if (count == source.channels) tile(from, Evenly{V * LANES}, count, weights, sum, fetch);
        else tile(from, Chosen{active.first(panel, channel[bank.source]), V * LANES}, count, weights, sum, fetch);
    };
    for (int64 number = blocks.first; number < blocks.end; number += p.sum ? p.banks : 1) {
        const Bank& bank = work.banks[number % p.banks];
        const int64 block = number / p.banks;
        if (block * ROWS >= bank.outputs) continue;  // this bank has fewer
        panel = 0;
        in_tiles(vectors.end - vectors.first, [&](auto width, int64) {
            constexpr int V = decltype(width)::vectors;
            const std::vector<Piece>& pieces = panels[panel].pieces;
            fetch_places<V>(work, bank, block, pieces[0]);
            if (p.sum && pieces[0].number == V * LANES)
                put_total<V>(work, block, pieces[0], [&](const Bank& one, auto& sum) { sums_of(one, block, sum); });
            else
                for (const Bank* one = &bank; one < &bank + (p.sum ? p.banks : 1); ++one) {
                    Lanes sum[ROWS][V];
                    sums_of(*one, block, sum);
                    put_pixels<V>(sum, work, *one, block, pieces);
                }
            ++panel;
        });
    }
}

// How the work is cut: into stretches of vectors of pixels, gathered so many at a time, and each into chunks of some blocks of outputs.
struct Cut {
    int64 stretch, strip, some;
};

constexpr int64 FEW_VECTORS = 25;

static Cut cut(const Products& p, int64 channels, int64 blocks, int64 vectors)
{
    const int64 threads = omp_get_max_threads(), near = std::max<int64>(1, NEAR / (channels * LANES * VECTORS)) * VECTORS;
    if (p.groups == 1 && vectors <= FEW_VECTORS * threads) {  // one part for each thread: nothing is gathered or fetched twice
        const bool weights_weigh_more = (p.sum || p.banks == 1) && blocks * ROWS > vectors * LANES;
        const int64 stretch = weights_weigh_more ? vectors : up(vectors, threads);
        return {stretch, std::min({near, STRIP, share(stretch, 3, VECTORS)}), share(blocks, up(threads, up(vectors, stretch)), p.banks)};
    }
    const int64 wanted = up(3 * threads, p.groups), stretch = evenly(vectors, wanted, VECTORS, threads);
    return {stretch, std::min(near, STRIP), share(blocks, up(wanted, up(vectors, stretch)), p.banks)};  // all banks of a sum in one thread
}

static void multiply(const Source* sources, const Bank* banks, const Products& p, const Finish* last)
{
    if (p.images * p.pixels == 0) return;
    const int64 channels = all_channels(sources, p);
    int64 outputs = 0;
    for (int64 i = 0; i < p.banks; ++i) outputs = std::max(outputs, banks[i].outputs);
    const int64 blocks = up(outputs, ROWS) * p.banks, vectors = up(p.images * p.pixels, LANES);
    const Cut to = cut(p, channels, blocks, vectors);
    const int64 parts = up(vectors, to.stretch), chunks = up(blocks, to.some);

#pragma omp parallel for schedule(dynamic, 1)
    for (int64 number = 0; number < p.groups * parts * chunks; ++number) {
        const Normals only;
        const int64 chunk = number % chunks, part = number / chunks % parts, end = std::min((part + 1) * to.stretch, vectors);
        const Work work = {p, sources, banks, last, number / (chunks * parts)};
        for (int64 first = part * to.stretch; first < end; first += to.strip) {
            const Range here = {first, std::min(first + to.strip, end)}, next = {here.end, std::min(here.end + to.strip, end)};
            multiply_strip(work, here, next, {chunk * to.some, std::min(chunk * to.some + to.some, blocks)});
        }
    }
}

// Convolutions with 1 x 1 kernels that visit every pixel: a product of matrices, (outputs, channels) by (channels, pixels). The
// pixels of all images count as one row, so that no lane idles where an image ends.
//
// Each thread first gathers some pixels of all channels into panels, one for each tile, (channels, pixels of the tile): then all
// blocks of outputs read near streams, and what is far away is read and written in long stretches. Meanwhile the pixels that it
// will gather next are fetched.

// Of one group of one image. As 64-bit integers in this order they come from Python, as the next ones do.
struct Product {
    int64 channels, pixels;
};

// Filters, and where their results belong: several banks read the same pixels, which are gathered once for all of them.
struct Bank {
    const float *weights, *bias;
    int64 rectified, outputs;  // of one group
    float* result;
    int64 apart;  // from image to image
};

// Up to ROWS outputs of a bank.
struct Block {
    const Bank* bank;
    int64 number;  // of the group
};

// Pixels of one image, side by side; `to`: where in the tile.
struct Piece {
    int64 image, pixel, to, number;
};

// What a tile reads: where its panel begins, how many pixels a channel has there, and which.
struct Panel {
    int64 at, pixels;
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

static void gather(const float* source, const Batch& batch, const Product& p, const std::vector<Panel>& panels, float* gathered)
{
    const float* end = source + (batch.images - 1) * batch.from + p.channels * p.pixels;
    for (int64 c = 0; c < p.channels; ++c)
        for (const Panel& panel : panels)
            for (const Piece& piece : panel.pieces)  // what is written beyond one, the next one writes over
                copy(source + piece.image * batch.from + c * p.pixels + piece.pixel, piece.number, end,
                     gathered + panel.at + c * panel.pixels + piece.to);
}

// A tile's sums to their places, those of group `group`.
template <int V>
INLINE void put_pixels(
    const Lanes (&sum)[ROWS][V], const Block& block, int64 group, const Finish* last, const Product& p, const std::vector<Piece>& pieces)
{
    const Bank& bank = *block.bank;
    const int64 first = block.number * ROWS, channel = group * bank.outputs + first;
    const float* bias = bank.bias ? bank.bias + (group * up(bank.outputs, ROWS) + block.number) * ROWS : nullptr;
    for (int64 r = 0; r < std::min<int64>(ROWS, bank.outputs - first); ++r) {
        const int64 plane = (channel + r) * p.pixels;
        float lane[V * LANES];
        const bool together = pieces[0].number == V * LANES;
        float* there = bank.result + pieces[0].image * bank.apart + plane + pieces[0].pixel;
        put<V>(sum[r], bias ? bias[r] : 0, bank.rectified, together ? there : lane);
        for (const Piece& piece : pieces) {
            const int64 at = plane + piece.pixel;
            if (!together) std::memcpy(bank.result + piece.image * bank.apart + at, lane + piece.to, piece.number * sizeof(float));
            finish(last, piece.image, bank.apart, at, piece.number, bank.result);
        }
    }
}

constexpr int64 STRIP = 24;  // vectors of pixels at a time: few enough that what is fetched meanwhile fits beside them

// Where a channel's `vector`-th vector of pixels begins.
INLINE const float* place(const float* source, const Batch& batch, const Product& p, int64 vector)
{
    const int64 pixel = vector * LANES;
    return source + pixel / p.pixels * batch.from + pixel % p.pixels;
}

// Some vectors of pixels of a group, for some blocks of outputs. `next`: the vectors that follow.
static void multiply_strip(
    const float* source, const Product& p, const std::vector<Block>& blocks, Range some, int64 group, const Finish* last,
    const Batch& batch, Range vectors, Range next)
{
    std::vector<Panel> panels;
    int64 room = 0;
    in_tiles(vectors.end - vectors.first, [&](auto width, int64 vector) {
        const int64 first = (vectors.first + vector) * LANES, pixels = width.vectors * LANES;
        panels.push_back({room, pixels, find_pieces(first, std::min(pixels, batch.images * p.pixels - first), p.pixels)});
        room += p.channels * pixels + LANES;
    });
    float* gathered = scratch(room);
    gather(source, batch, p, panels, gathered);
    for (int64 number = some.first; number < some.end; ++number) {
        const Block& block = blocks[number];
        const float* weights = block.bank->weights + (group * up(block.bank->outputs, ROWS) + block.number) * p.channels * ROWS;
        const Panel* panel = panels.data();
        in_tiles(vectors.end - vectors.first, [&](auto width, int64) {
            constexpr int V = decltype(width)::vectors;
            const Ahead ahead = {next.first < next.end ? place(source, batch, p, next.first++) : weights, p.pixels};
            Lanes sum[ROWS][V];
            tile(gathered + panel->at, Evenly{V * LANES}, p.channels, weights, sum, ahead);
            put_pixels<V>(sum, block, group, last, p, panel++->pieces);
        });
    }
}

static void multiply(const float* source, const Product& p, const Bank* banks, int64 number, const Finish* last, const Batch& batch)
{
    const int64 images = batch.images, groups = batch.groups;
    if (images == 0) return;
    std::vector<Block> blocks;
    for (const Bank* bank = banks; bank < banks + number; ++bank)
        for (int64 block = 0; block < up(bank->outputs, ROWS); ++block) blocks.push_back({bank, block});
    const int64 all = blocks.size(), vectors = up(images * p.pixels, LANES), wanted = up(3 * omp_get_max_threads(), groups);
    const int64 near = std::max<int64>(1, NEAR / (p.channels * LANES * VECTORS)) * VECTORS, strip = std::min(near, STRIP);
    const int64 stretch = share(vectors, wanted, VECTORS), parts = up(vectors, stretch);
    const int64 some = share(all, up(wanted, parts), 1), chunks = up(all, some);

#pragma omp parallel for schedule(dynamic, 1)
    for (int64 piece = 0; piece < groups * parts * chunks; ++piece) {
        const Normals only;
        const int64 chunk = piece % chunks, part = piece / chunks % parts, group = piece / (chunks * parts);
        const Range own = {chunk * some, std::min(chunk * some + some, all)};
        const int64 end = std::min((part + 1) * stretch, vectors);
        for (int64 first = part * stretch; first < end; first += strip) {
            const Range here = {first, std::min(first + strip, end)}, next = {here.end, std::min(here.end + strip, end)};
            multiply_strip(source + group * p.channels * p.pixels, p, blocks, own, group, last, batch, here, next);
        }
    }
}

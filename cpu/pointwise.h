// Convolutions with 1 x 1 kernels that visit every pixel: a product of matrices, (outputs, channels) by (channels, pixels). The
// pixels of all images count as one row, so that no lane idles where an image ends.
//
// Each thread first gathers some pixels of all channels into panels, one for each tile, (channels, pixels of the tile): then all
// blocks of outputs read near streams, and what is far away is read and written in long stretches. Meanwhile the pixels that it
// will gather next are fetched.

// Of one group of one image. As 64-bit integers in this order they come from Python.
struct Product {
    int64 channels, outputs, pixels;
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

// A tile's sums to their places, from `channel` on.
template <int V>
INLINE void put_pixels(
    const Lanes (&sum)[ROWS][V], const float* bias, bool rectified, const Finish* last, const Batch& batch, const Product& p, int64 channel,
    int64 channels, const std::vector<Piece>& pieces, float* result)
{
    for (int64 r = 0; r < channels; ++r) {
        const int64 plane = (channel + r) * p.pixels;
        float lane[V * LANES];
        const bool together = pieces[0].number == V * LANES;
        put<V>(sum[r], bias ? bias[r] : 0, rectified, together ? result + pieces[0].image * batch.to + plane + pieces[0].pixel : lane);
        for (const Piece& piece : pieces) {
            float* there = result + piece.image * batch.to + plane + piece.pixel;
            if (!together) std::memcpy(there, lane + piece.to, piece.number * sizeof(float));
            finish(last, piece.image, batch.to, plane + piece.pixel, piece.number, result);
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

// Some vectors of pixels, for some blocks of outputs of the group that begins with output `output`. `next`: those that follow.
static void multiply_strip(
    const float* source, const Product& p, const float* weights, const float* bias, bool rectified, const Finish* last, const Batch& batch,
    int64 output, Range vectors, Range next, Range blocks, float* result)
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
    for (int64 block = blocks.first; block < blocks.end; ++block) {
        const Panel* panel = panels.data();
        in_tiles(vectors.end - vectors.first, [&](auto width, int64) {
            constexpr int V = decltype(width)::vectors;
            const Ahead ahead = {next.first < next.end ? place(source, batch, p, next.first++) : weights, p.pixels};
            Lanes sum[ROWS][V];
            tile(gathered + panel->at, Evenly{V * LANES}, p.channels, weights + block * p.channels * ROWS, sum, ahead);
            put_pixels<V>(sum, bias ? bias + block * ROWS : nullptr, rectified, last, batch, p, output + block * ROWS,
                          std::min<int64>(ROWS, p.outputs - block * ROWS), panel++->pieces, result);
        });
    }
}

static void multiply(
    const float* source, const Product& p, const float* weights, const float* bias, bool rectified, const Finish* last, const Batch& batch,
    float* result)
{
    const int64 images = batch.images, groups = batch.groups;
    if (images == 0) return;
    const int64 vectors = up(images * p.pixels, LANES), blocks = up(p.outputs, ROWS), wanted = up(3 * omp_get_max_threads(), groups);
    const int64 near = std::max<int64>(1, NEAR / (p.channels * LANES * VECTORS)) * VECTORS;
    const int64 strip = std::min(near, STRIP), long_enough = share(vectors, wanted, VECTORS), parts = up(vectors, long_enough);
    const int64 some = share(blocks, up(wanted, parts), 1), chunks = up(blocks, some);

#pragma omp parallel for schedule(dynamic, 1)
    for (int64 number = 0; number < groups * parts * chunks; ++number) {
        const Normals only;
        const int64 chunk = number % chunks, part = number / chunks % parts, group = number / (chunks * parts);
        const int64 end = std::min((part + 1) * long_enough, vectors);
        for (int64 first = part * long_enough; first < end; first += strip) {
            const Range here = {first, std::min(first + strip, end)}, next = {here.end, std::min(here.end + strip, end)};
            multiply_strip(
                source + group * p.channels * p.pixels, p, weights + group * blocks * p.channels * ROWS,
                bias ? bias + group * blocks * ROWS : nullptr, rectified, last, batch, group * p.outputs, here, next,
                {chunk * some, std::min(chunk * some + some, blocks)}, result);
        }
    }
}

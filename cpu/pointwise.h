// Convolutions with 1 x 1 kernels that visit every pixel: a product of matrices, (outputs, channels) by (channels, pixels). The
// pixels of all images count as one row, so that no lane idles where an image ends.
//
// What a tile reads is gathered first, (channels, PANEL): then all blocks of outputs read one near stream.

// Of one group of one image. As 64-bit integers in this order they come from Python.
struct Product {
    int64 channels, outputs, pixels;
};

constexpr int64 PANEL = VECTORS * LANES;  // pixels

// Pixels of one image, side by side; `to`: where in the panel.
struct Piece {
    int64 image, pixel, to, number;
};

// Those from the one numbered `first` on, counted through all images.
static void find_pieces(int64 first, int64 number, int64 pixels, std::vector<Piece>& pieces)
{
    pieces.clear();
    for (int64 done = 0, next; done < number; done = next) {
        const int64 pixel = (first + done) % pixels;
        next = std::min(number, done + pixels - pixel);
        pieces.push_back({(first + done) / pixels, pixel, done, next - done});
    }
}

// Copies whole registers: what lies beyond a piece, the next one writes over. Nothing is read beyond the last image.
INLINE void gather(const float* source, const Batch& batch, const Product& p, const std::vector<Piece>& pieces, float* panel)
{
    const float* end = source + (batch.images - 1) * batch.from + p.channels * p.pixels;
    for (int64 c = 0; c < p.channels; ++c, panel += PANEL)
        for (const Piece& piece : pieces) {
            const float* from = source + piece.image * batch.from + c * p.pixels + piece.pixel;
            for (int64 i = 0; i < piece.number; i += LANES) {
                if (end - from >= i + LANES) store(panel + piece.to + i, load(from + i));
                else std::memcpy(panel + piece.to + i, from + i, (piece.number - i) * sizeof(float));
            }
        }
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

// Some vectors of pixels, for some blocks of outputs of the group that begins with output `output`.
static void multiply_part(
    const float* source, const Product& p, const int64* offset, const float* weights, const float* bias, bool rectified,
    const Finish* last, const Batch& batch, int64 output, Range vectors, Range blocks, float* panel, float* result)
{
    std::vector<Piece> pieces;
    in_tiles(vectors.end - vectors.first, [&](auto width, int64 vector) {
        constexpr int V = decltype(width)::vectors;
        const int64 first = (vectors.first + vector) * LANES;
        find_pieces(first, std::min<int64>(V * LANES, batch.images * p.pixels - first), p.pixels, pieces);
        gather(source, batch, p, pieces, panel);
        for (int64 block = blocks.first; block < blocks.end; ++block) {
            Lanes sum[ROWS][V];
            tile(panel, offset, p.channels, weights + block * p.channels * ROWS, sum);
            put_pixels<V>(sum, bias ? bias + block * ROWS : nullptr, rectified, last, batch, p, output + block * ROWS,
                          std::min<int64>(ROWS, p.outputs - block * ROWS), pieces, result);
        }
    });
}

static void multiply(
    const float* source, const Product& p, const float* weights, const float* bias, bool rectified, const Finish* last, const Batch& batch,
    float* result)
{
    const int64 images = batch.images, groups = batch.groups;
    if (images == 0) return;
    const int64 vectors = up(images * p.pixels, LANES), blocks = up(p.outputs, ROWS), wanted = up(3 * omp_get_max_threads(), groups);
    const int64 strip = share(vectors, wanted, VECTORS), parts = up(vectors, strip);
    const int64 near = std::max<int64>(1, WEIGHTS / (p.channels * ROWS));
    const int64 some = std::min(near, share(blocks, up(wanted, parts), 1)), chunks = up(blocks, some);

    std::vector<int64> offset(p.channels);
    for (int64 c = 0; c < p.channels; ++c) offset[c] = c * PANEL;

#pragma omp parallel for schedule(dynamic, 1)
    for (int64 number = 0; number < groups * parts * chunks; ++number) {
        const Normals only;
        const int64 chunk = number % chunks, part = number / chunks % parts, group = number / (chunks * parts);
        const Range here = {part * strip, std::min(part * strip + strip, vectors)}, own = {chunk * some, std::min(chunk * some + some, blocks)};
        multiply_part(
            source + group * p.channels * p.pixels, p, offset.data(), weights + group * blocks * p.channels * ROWS,
            bias ? bias + group * blocks * ROWS : nullptr, rectified, last, batch, group * p.outputs, here, own,
            scratch(p.channels * PANEL + LANES), result);
    }
}

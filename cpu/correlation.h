// Direct correlation with filters: a convolution of any kernel, stride, padding and dilation, and its transpose.
//
//     result[o][q] = bias[o] + sum over channels c and cells of the kernel of weights[o][c][cell] * planes[c][q + shift(cell)]


// Where outputs go. As 64-bit integers in this order they come from Python.
struct Result {
    int64 rows, columns;            // of the grid of outputs
    int64 channels, height, width;  // of one group of the result
    int64 image;                    // from one image of the result to the next, in numbers
    int64 top, left;                // where the grid's first output lies
    int64 stride_h, stride_w;       // from output to output
};

struct Filters {
    const float* weights;  // (groups, blocks, terms, ROWS), the last block filled up with zeros
    const float* bias;     // (groups, blocks, ROWS), or null
    bool rectified;        // whether the result is max(sum, 0)
    const int64* plane;    // the terms' planes
    const int64* shift;    // and how far they are shifted
    int64 terms;
};

// Sums of the positions q to q + V * LANES, as far as they lie before `end`, of `channels` channels, to their places.
template <int V>
INLINE void put(
    const Lanes (&sum)[ROWS][V], const float* bias, bool rectified, const Result& to, int64 pitch, int64 channels, int64 q, int64 end, float* result)
{
    const int64 size = to.height * to.width, last = std::min<int64>(q + V * LANES, end);
    const bool side_by_side = to.width == pitch && to.stride_h == 1 && to.stride_w == 1 && last == q + V * LANES;
    for (int64 r = 0; r < channels; ++r, result += size) {
        Lanes value[V];
        for (int v = 0; v < V; ++v) {
            value[v] = bias ? sum[r][v] + bias[r] : sum[r][v];
            if (rectified) value[v] = value[v] < 0 ? Lanes{} : value[v];
        }
        if (side_by_side) {
            for (int v = 0; v < V; ++v) store(result + q + v * LANES, value[v]);
            continue;
        }
        float lane[V * LANES];
        for (int v = 0; v < V; ++v) store(lane + v * LANES, value[v]);
        for (int64 at = q; at < last;) {
            const int64 row = at / pitch, column = at - row * pitch, next = std::min((row + 1) * pitch, last);
            const int64 y = to.top + row * to.stride_h, x = to.left + column * to.stride_w;
            const Range real = inside(x, to.stride_w, y < 0 || y >= to.height ? 0 : to.width, std::min(next - at, to.columns - column));
            float* there = result + y * to.width + x;
            if (to.stride_w == 1) for (int64 i = real.first; i < real.end; ++i) there[i] = lane[at - q + i];
            else for (int64 i = real.first; i < real.end; ++i) there[i * to.stride_w] = lane[at - q + i];
            at = next;
        }
    }
}

// A piece of work for one thread: some positions of one image, for some blocks of ROWS channels of one group.
struct Piece {
    int64 image, group;
    Range positions, blocks;
};

constexpr int64 NEAR = 160 << 10;     // this many numbers stay in the cache next to a core: a piece's planes,
constexpr int64 WEIGHTS = 128 << 10;  // and the weights that all its positions use in turn

// `planes` begin with the position `origin`. Planes in place end where the image ends: there a tile moves back, and computes
// some outputs of its own piece twice.
template <int V>
INLINE void tiles(
    const float* planes, int64 origin, const Planes& p, const int64* offset, const Filters& f, const Result& to, const Piece& piece,
    Range blocks, int64 q, float* result)
{
    const int64 end = piece.positions.end;
    if (p.in_place) q = std::min<int64>(q, end - V * LANES);
    for (int64 block = blocks.first; block < blocks.end; ++block) {
        Lanes sum[ROWS][V];
        tile<V>(planes + q - origin, offset, f.terms, f.weights + block * f.terms * ROWS, sum);
        put<V>(sum, f.bias ? f.bias + block * ROWS : nullptr, f.rectified, to, p.pitch, std::min<int64>(ROWS, to.channels - block * ROWS), q, end,
               result + block * ROWS * to.height * to.width);
    }
}

static void correlate_piece(
    const float* planes, int64 origin, const Planes& p, const int64* offset, const Filters& f, const Result& to, const Piece& piece, float* result)
{
    const int64 together = std::max<int64>(1, WEIGHTS / (f.terms * ROWS));
    for (int64 block = piece.blocks.first; block < piece.blocks.end; block += together) {
        const Range blocks = {block, std::min(block + together, piece.blocks.end)};
        for (int64 q = piece.positions.first; q < piece.positions.end;) {
            const int64 left = up(piece.positions.end - q, LANES);
            if (left >= 5 || left == 3) tiles<3>(planes, origin, p, offset, f, to, piece, blocks, q, result), q += 3 * LANES;
            else if (left >= 2) tiles<2>(planes, origin, p, offset, f, to, piece, blocks, q, result), q += 2 * LANES;
            else tiles<1>(planes, origin, p, offset, f, to, piece, blocks, q, result), q += LANES;
        }
    }
}

// How many of `whole` to take at a time for at least this many parts of about the same size, in multiples of `step`.
INLINE int64 share(int64 whole, int64 parts, int64 step) { return std::max<int64>(step, up(up(whole, parts), step) * step); }

static void correlate(
    const float* source, const Planes& p, const Filters& f, const Result& to, int64 images, int64 groups, float* result)
{
    if (images == 0) return;
    const int64 blocks = up(to.channels, ROWS), wanted = up(3 * omp_get_max_threads(), images * groups);
    const int64 grain = p.in_place ? VECTORS * LANES : p.pitch, positions = to.rows * p.pitch;
    int64 rows = std::max<int64>(1, NEAR / (count(p) * p.pitch) - p.reach);  // as many as stay near; in place, never mind
    if (p.in_place) rows = up(p.pitch, grain);
    const int64 fitting = up(positions, rows * grain);
    const int64 strips = std::max(fitting, std::min(wanted, std::max<int64>(1, positions / (8 * VECTORS * LANES))));
    const int64 strip = share(positions, strips, grain), parts = up(positions, strip);
    const int64 some = share(blocks, up(wanted, parts), 1), chunks = up(blocks, some);
    const int64 size = plane_size(p, strip / p.pitch);

    std::vector<int64> offset(f.terms);
    for (int64 k = 0; k < f.terms; ++k) offset[k] = f.plane[k] * size + f.shift[k];

#pragma omp parallel for schedule(dynamic, 1)
    for (int64 number = 0; number < images * groups * parts * chunks; ++number) {
        const int64 chunk = number % chunks, part = number / chunks % parts, group = number / (chunks * parts) % groups;
        const int64 image = number / (chunks * parts * groups), first = part * strip;
        const Piece piece = {image, group, {first, std::min(first + strip, positions)}, {chunk * some, std::min(chunk * some + some, blocks)}};
        const float* from = source + image * p.image + group * p.channels * p.height * p.width;
        float* there = result + image * to.image + group * to.channels * to.height * to.width;
        const Filters own = {
            f.weights + group * blocks * f.terms * ROWS, f.bias ? f.bias + group * blocks * ROWS : nullptr, f.rectified,
            f.plane, f.shift, f.terms};
        if (p.in_place) {
            correlate_piece(from, 0, p, offset.data(), own, to, piece, there);
            continue;
        }
        float* planes = scratch(room(p, strip / p.pitch));
        lay(from, p, first / p.pitch, up(piece.positions.end - first, p.pitch), size, planes);
        correlate_piece(planes, first, p, offset.data(), own, to, piece, there);
    }
}

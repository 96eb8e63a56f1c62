// Direct correlation with filters: a convolution of any kernel, stride, padding and dilation, and its transpose.
//
//     result[o][q] = bias[o] + sum over channels c and cells of the kernel of weights[o][c][cell] * planes[c][q + shift(cell)]


// Where outputs go. As 64-bit integers in this order they come from Python.
struct Result {
    int64 rows, columns;            // of the grid of outputs
    int64 channels, height, width;  // of one group of the result
    int64 top, left;                // where the grid's first output lies
    int64 stride_h, stride_w;       // from output to output
};

// Filters over planes, and where what they make goes. As 64-bit integers in this order they come from Python.
struct Filters {
    const float* weights;  // (groups, blocks, terms, ROWS), the last block filled up with zeros
    const float* bias;     // (groups, blocks, ROWS), or null
    int64 rectified;       // whether the result is max(sum, 0)
    const int64* plane;    // the terms' planes
    const int64* shift;    // and how far they are shifted
    int64 terms;
    const Result* to;
};

// Neighbouring positions of the grid whose tiles are taken one after the other. Side by side, they are so in the result as well,
// from the place `at` of a plane on; then the last tile moves back to end with them, and computes some outputs twice.
struct Run {
    Range positions;
    bool side_by_side;
    int64 at;
};

// Sums of one tile whose outputs lie side by side, or `to.stride_w` apart: where they begin in the tile and on the plane.
struct Stretch {
    int64 sum, place, number;
};

// Those of the positions from q on, as far as the run goes; sums at columns where a window wraps around belong nowhere.
static void find_stretches(int64 q, int64 number, const Result& to, int64 pitch, const Run& run, std::vector<Stretch>& stretches)
{
    stretches.clear();
    const int64 last = std::min(q + number, run.positions.end);
    for (int64 at = q, next; at < last; at = next) {
        const int64 row = at / pitch, column = at - row * pitch;
        next = std::min((row + 1) * pitch, last);
        const int64 y = to.top + row * to.stride_h, x = to.left + column * to.stride_w;
        const Range real = inside(x, to.stride_w, y < 0 || y >= to.height ? 0 : to.width, std::min(next - at, to.columns - column));
        if (real.first < real.end) stretches.push_back({at - q + real.first, y * to.width + x + real.first * to.stride_w, real.end - real.first});
    }
}

INLINE void scatter(const float* sums, const std::vector<Stretch>& stretches, int64 stride, float* plane)
{
    for (const Stretch& stretch : stretches) {
        const float* from = sums + stretch.sum;
        float* there = plane + stretch.place;
        if (stride == 1) for (int64 i = 0; i < stretch.number; ++i) there[i] = from[i];
        else for (int64 i = 0; i < stretch.number; ++i) there[i * stride] = from[i];
    }
}

// `planes` begin with the position `origin`.
template <int R, int V>
INLINE void tiles(
    Width<V>, const float* planes, int64 origin, const Planes& p, const int64* offset, const Filters& f, const Result& to, const Run& run, Range blocks,
    int64 q, std::vector<Stretch>& stretches, float* result)
{
    if (run.side_by_side) q = std::min<int64>(q, run.positions.end - V * LANES);
    else find_stretches(q, V * LANES, to, p.pitch, run, stretches);
    for (int64 block = blocks.first; block < blocks.end; ++block) {
        Lanes sum[R][V];
        tile(planes + q - origin, Shifted{offset}, f.terms, f.weights + block * f.terms * ROWS, sum);
        for (int64 r = 0; r < std::min<int64>(R, to.channels - block * ROWS); ++r) {
            float* plane = result + (block * ROWS + r) * to.height * to.width;
            float lane[V * LANES];
            put<V>(sum[r], f.bias ? f.bias[block * ROWS + r] : 0, f.rectified, run.side_by_side ? plane + run.at + q - run.positions.first : lane);
            if (!run.side_by_side) scatter(lane, stretches, to.stride_w, plane);
        }
    }
}

static void correlate_run(
    const float* planes, int64 origin, const Planes& p, const int64* offset, const Filters& f, const Result& to, const Run& run, Range blocks,
    float* result)
{
    const int64 length = run.positions.end - run.positions.first, vectors = up(length, LANES);
    std::vector<Stretch> stretches;
    const auto tiles_of = [&](auto rows, auto width, int64 first) {
        tiles<decltype(rows)::value>(width, planes, origin, p, offset, f, to, run, blocks, run.positions.first + first * LANES, stretches, result);
    };
    const int64 most = run.side_by_side ? length / LANES : vectors;
    if (to.channels == COLOURS)
        in_even_tiles<COLOURED>(vectors, most, [&](auto width, int64 first) { tiles_of(Rows<COLOURS>(), width, first); });
    else if (to.channels <= FEW)
        in_even_tiles<2 * VECTORS>(vectors, most, [&](auto width, int64 first) { tiles_of(Rows<FEW>(), width, first); });
    else in_tiles(vectors, [&](auto width, int64 first) { tiles_of(Rows<ROWS>(), width, first); });
}

// Whether each row is a run of its own: then sums go straight to their places, at the price of some that are computed twice.
INLINE bool by_rows(const Planes& p, const Result& to)
{
    return to.stride_w == 1 && to.columns >= VECTORS * LANES && up(to.columns, LANES) * LANES * 10 <= p.pitch * 11;
}

// Some positions of one image, for some blocks of ROWS channels of one group.
static void correlate_piece(
    const float* planes, int64 origin, const Planes& p, const int64* offset, const Filters& f, const Result& to, Range positions, Range blocks,
    float* result)
{
    const int64 together = std::max<int64>(1, WEIGHTS / (f.terms * ROWS));
    for (int64 block = blocks.first; block < blocks.end; block += together) {
        const Range some = {block, std::min(block + together, blocks.end)};
        if (!by_rows(p, to)) {
            correlate_run(planes, origin, p, offset, f, to, {positions, false, 0}, some, result);
            continue;
        }
        for (int64 q = positions.first; q < positions.end; q += p.pitch) {
            const int64 at = (to.top + q / p.pitch * to.stride_h) * to.width + to.left;
            correlate_run(planes, origin, p, offset, f, to, {{q, q + to.columns}, true, at}, some, result);
        }
    }
}

// Several filters, as the phases of a transpose have them, over planes that are laid once for all: their results have as many channels,
// and lie beside each other. `last`: for one, where outputs are all pixels of the result.
static void correlate(
    const float* source, const Planes& p, const Filters* filters, int64 number_of, const Finish* last, const Batch& batch, float* result)
{
    const int64 images = batch.images, groups = batch.groups;
    if (images == 0) return;
    const Result& to = *filters->to;
    int64 most = 0;  // rows of outputs
    for (int64 i = 0; i < number_of; ++i) most = std::max(most, filters[i].to->rows);
    const int64 threads = omp_get_max_threads(), blocks = up(to.channels, ROWS), wanted = up(3 * threads, images * groups);
    const int64 rows = std::max<int64>(1, NEAR / (count(p) * p.pitch) - p.reach), positions = most * p.pitch;  // as many as stay near
    const int64 strips = std::max(up(to.rows, rows), std::min(wanted, std::max<int64>(1, positions / (8 * VECTORS * LANES))));
    const int64 strip = share(positions, strips, p.pitch), parts = up(positions, strip);
    const int64 some = evenly(blocks, up(wanted, parts), 1, threads), chunks = up(blocks, some);
    const int64 size = plane_size(p, strip / p.pitch);

    std::vector<std::vector<int64>> offset;
    for (const Filters* f = filters; f < filters + number_of; ++f) {
        offset.emplace_back(f->terms);
        for (int64 k = 0; k < f->terms; ++k) offset.back()[k] = f->plane[k] * size + f->shift[k];
    }

    int64 laid = -1;  // of which chunks a thread has the planes
#pragma omp parallel for schedule(dynamic, 1) firstprivate(laid)
    for (int64 number = 0; number < images * groups * parts * chunks; ++number) {
        const Normals only;
        const int64 chunk = number % chunks, part = number / chunks % parts, group = number / (chunks * parts) % groups;
        const int64 image = number / (chunks * parts * groups), first = part * strip;
        const Range here = {first, std::min(first + strip, positions)}, wanted_blocks = {chunk * some, std::min(chunk * some + some, blocks)};
        const float* from = source + image * batch.from + group * numbers(p);
        float* there = result + image * batch.to + group * to.channels * to.height * to.width;
        float* planes = scratch(room(p, strip / p.pitch));
        if (laid != number / chunks) lay(from, from + numbers(p), p, first / p.pitch, up(here.end - first, p.pitch), size, planes);
        laid = number / chunks;
        for (int64 i = 0; i < number_of; ++i) {
            Filters own = filters[i];
            own.weights += group * blocks * own.terms * ROWS;
            if (own.bias) own.bias += group * blocks * ROWS;
            const Range mine = {first, std::min(here.end, own.to->rows * p.pitch)};
            if (mine.first < mine.end) correlate_piece(planes, first, p, offset[i].data(), own, *own.to, mine, wanted_blocks, there);
        }
        const int64 plane = to.height * to.width, end = std::min(wanted_blocks.end * ROWS, to.channels), done = (here.end - first) / p.pitch;
        for (int64 o = wanted_blocks.first * ROWS; o < end; ++o)
            finish(last, image, batch.to, (group * to.channels + o) * plane + first / p.pitch * to.width, done * to.width, result);
    }
}

// Convolutions with 3 x 3 kernels and stride 1 by Winograd's F(4 x 4, 3 x 3): Lavin and Gray, Fast Algorithms for Convolutional
// Neural Networks, 2016, §4.1. A tile of 4 x 4 outputs costs 36 products a channel, not 144; one of 2 x 2, for small planes, 16
// and not 36. And with 5 x 5 kernels by F(2 x 2, 5 x 5), whose tile costs 36 products as well, and not 100:
//
//     tile of y = A^T [ sum over channels of (G g G^T) ∘ (B^T d B) ] A          d: the 6 x 6 (4 x 4) pixels that the tile sees
//
// for the interpolation points 0, ±sqrt(1/2), ±sqrt(2) and infinity, which round more kindly than 0, ±1, ±2 (of the smallest tile: 0, ±1
// and infinity). Here a register holds the same place of neighbouring tiles: pixels become planes of tiles, one for each place, a tile
// is one number q = row * pitch + column, and no lane is left idle between its rows. In between lie 36 (16) products of matrices
// (tile.h).
//
// Sums that are exactly 0 in a direct correlation are only about 0 here. Where that matters small ones are computed anew (Guard).

constexpr float P = 0.70710678118654752f, Q = 1.41421356237309505f;  // the points: sqrt(1/2), sqrt(2)

// B^T d
INLINE void to_points(const Lanes (&d)[6], Lanes (&point)[6])
{
    const Lanes p_even = d[4] - 2.0f * d[2], p_odd = P * (d[3] - 2.0f * d[1]);
    const Lanes q_even = d[4] - 0.5f * d[2], q_odd = Q * (d[3] - 0.5f * d[1]);
    point[0] = d[4] + d[0] - 2.5f * d[2];
    point[1] = p_even + p_odd;
    point[2] = p_even - p_odd;
    point[3] = q_even + q_odd;
    point[4] = q_even - q_odd;
    point[5] = d[5] + d[1] - 2.5f * d[3];
}

INLINE void to_points(const Lanes (&d)[4], Lanes (&point)[4])
{
    point[0] = d[0] - d[2];
    point[1] = d[1] + d[2];
    point[2] = d[2] - d[1];
    point[3] = d[3] - d[1];
}

// A^T m
INLINE void from_points(const Lanes (&m)[6], Lanes (&out)[4])
{
    const Lanes p_even = m[1] + m[2], p_odd = m[1] - m[2], q_even = m[3] + m[4], q_odd = m[3] - m[4];
    out[0] = m[0] + p_even + q_even;
    out[1] = P * p_odd + Q * q_odd;
    out[2] = 0.5f * p_even + 2.0f * q_even;
    out[3] = 0.5f * P * p_odd + 2.0f * Q * q_odd + m[5];
}

INLINE void from_points(const Lanes (&m)[6], Lanes (&out)[2])
{
    out[0] = m[0] + (m[1] + m[2]) + (m[3] + m[4]);
    out[1] = P * (m[1] - m[2]) + Q * (m[3] - m[4]) + m[5];
}

INLINE void from_points(const Lanes (&m)[4], Lanes (&out)[2])
{
    out[0] = m[0] + m[1] + m[2];
    out[1] = m[1] - m[2] + m[3];
}

// Some rows of tiles of one image.
struct Section {
    int64 image, first, rows;
};

// Room for as many pixels in a row as `rows` rows of tiles have, and for what is read and written beyond.
template <int OUT>
INLINE int64 laid_room(int64 pitch, int64 rows) { return up(rows * pitch * OUT, LANES) * LANES + (OUT + 2) * LANES; }

// The columns that tiles see beyond their own are the first ones of those beside; beside the last ones of a row they are pixels again,
// `y` of the first row, OUT rows apart.
template <int OUT, int SEEN>
INLINE void lay_beside(const float* plane, const Planes& p, int64 y, int64 rows, int64 size, float* to)
{
    for (int x = OUT; x < SEEN; ++x) {
        const int64 beside = x / OUT;
        const float* first = to + x % OUT * size + beside;
        float* column = to + x * size;
        for (int64 q = 0; q < rows * p.pitch; q += LANES) store(column + q, load(first + q));
        for (int64 tile = std::max<int64>(0, p.pitch - beside); tile < p.pitch; ++tile) {
            const int64 at = p.left + tile * OUT + x;
            const Range real = inside(y, OUT, at >= 0 && at < p.width ? p.height : 0, rows);
            for (int64 row = 0; row < rows; ++row) column[row * p.pitch + tile] = 0;
            for (int64 row = real.first; row < real.end; ++row) column[row * p.pitch + tile] = plane[(y + row * OUT) * p.width + at];
        }
    }
}

// What some rows of tiles see of one channel, as planes of tiles; the last rows of a tile are the next one's first. Rows of few tiles
// are split together. `laid`: room for all of them, see `laid_room`.
template <int OUT, int SEEN>
static void lay_tiles(const float* plane, const Planes& p, int64 first, int64 rows, int64 size, float* laid, float* to)
{
    const int64 wide = p.pitch * OUT;
    const bool together = p.pitch <= LANES / 2;
    for (int64 i = 0; i < OUT; ++i, to += SEEN * size) {
        const int64 number = rows - 1 + up(SEEN - i, OUT), y = p.top + first * OUT + i;
        for (int64 row = 0; row < number; ++row)  // what is written beyond a row, the next one writes over
            if (together) lay_pixels(plane, p, y + row * OUT, 0, wide, laid + row * wide);
            else lay_row(plane, plane, plane + p.height * p.width, p, y + row * OUT, 0, laid, size, to + row * p.pitch);
        if (together) split<OUT>(laid, number * p.pitch, to, size);
        lay_beside<OUT, SEEN>(plane, p, y, number, size, to);
    }
}

// The planes of one channel -> its numbers at the places, `apart` from place to place.
template <int OUT, int SEEN>
INLINE void transform_channel(const float* planes, int64 size, int64 pitch, int64 tiles, float* places, int64 apart)
{
    for (int64 q = 0; q < tiles; q += LANES) {
        Lanes half[SEEN][SEEN];  // [column][place of the row]
        for (int x = 0; x < SEEN; ++x) {
            Lanes d[SEEN];
            for (int y = 0; y < SEEN; ++y) d[y] = load(planes + (y % OUT * SEEN + x) * size + q + y / OUT * pitch);
            to_points(d, half[x]);
        }
        for (int y = 0; y < SEEN; ++y) {
            Lanes row[SEEN], point[SEEN];
            for (int x = 0; x < SEEN; ++x) row[x] = half[x][y];
            to_points(row, point);
            for (int x = 0; x < SEEN; ++x) store(places + (y * SEEN + x) * apart + q, point[x]);
        }
    }
}

// The sums of one channel at the places -> its pixels, as phases: (OUT, OUT, size).
template <int OUT, int SEEN>
INLINE void transform_back(const float* places, int64 apart, int64 tiles, float* phases, int64 size)
{
    for (int64 q = 0; q < tiles; q += LANES) {
        Lanes half[SEEN][OUT];  // [column of places][row of the tile]
        for (int x = 0; x < SEEN; ++x) {
            Lanes m[SEEN];
            for (int y = 0; y < SEEN; ++y) m[y] = load(places + (y * SEEN + x) * apart + q);
            from_points(m, half[x]);
        }
        for (int y = 0; y < OUT; ++y) {
            Lanes row[SEEN], out[OUT];
            for (int x = 0; x < SEEN; ++x) row[x] = half[x][y];
            from_points(row, out);
            for (int x = 0; x < OUT; ++x) store(phases + (y * OUT + x) * size + q, out[x]);
        }
    }
}

// Phases of neighbouring tiles, `size` apart -> their pixels in turn, OUT registers of them.
template <int OUT, bool rectified>
INLINE void join(const float* phases, int64 size, float bias, Lanes (&pixels)[OUT])
{
    interleaved(phases, size, pixels);
    for (int i = 0; i < OUT; ++i) pixels[i] = with_bias(pixels[i], bias, rectified);
}

// Phases to rows of pixels; as in `lay_tiles` rows of few tiles are joined together. `laid`: room for them all.
template <int OUT, bool rectified>
static void put_section(
    const float* phases, int64 size, int64 pitch, const Section& section, float bias, const Result& to, float* laid, float* plane)
{
    const int64 room = laid_room<OUT>(pitch, section.rows), first = section.first * OUT, end = std::min(first + section.rows * OUT, to.height);
    const bool together = pitch < LANES;
    Lanes pixels[OUT];
    for (int y = 0; y < OUT && together; ++y)
        for (int64 q = 0; q < section.rows * pitch; q += LANES) {
            join<OUT, rectified>(phases + y * OUT * size + q, size, bias, pixels);
            for (int i = 0; i < OUT; ++i) store(laid + y * room + q * OUT + i * LANES, pixels[i]);
        }
    for (int64 y = first; y < end; ++y) {
        const int64 tiles = (y / OUT - section.first) * pitch, left = (end - y) * to.width;  // pixels of the section
        float* row = plane + y * to.width;
        if (together) {
            for (int64 x = 0; x < to.width; x += LANES) put_part(load(laid + y % OUT * room + tiles * OUT + x), left - x, row + x);
            continue;
        }
        for (int64 x = 0; x < to.width; x += OUT * LANES) {
            join<OUT, rectified>(phases + y % OUT * OUT * size + tiles + x / OUT, size, bias, pixels);
            for (int64 i = 0, at = x; i < OUT && at < to.width; ++i, at += LANES) put_part(pixels[i], left - at, row + at);
        }
    }
}

template <int V>
INLINE void products(
    Width<V>, const float* places, int64 terms, const float* weights, int64 blocks, float* sums, int64 apart)
{
    for (int64 block = 0; block < blocks; ++block) {
        Lanes sum[ROWS][V];
        tile(places, Evenly{apart}, terms, weights + block * terms * ROWS, sum);
        for (int r = 0; r < ROWS; ++r)
            for (int v = 0; v < V; ++v) store(sums + (block * ROWS + r) * apart + v * LANES, sum[r][v]);
    }
}

// The same for a few tiles at the end, with which a register would be all but empty: here it holds a block's rows, and those of some
// blocks go by together. Each sum's terms are added in the same order, so a tile's bits do not hang on where it stands.
typedef float RowsAtOnce __attribute__((vector_size(ROWS * 4)));
typedef float RowsAnywhere __attribute__((vector_size(ROWS * 4), aligned(4), may_alias));

template <int T, int B>
INLINE void few_products_of(const float* x, int64 terms, const float* weights, float* sums, int64 apart)
{
    RowsAtOnce sum[B][T] = {};
    for (int64 k = 0; k < terms; ++k)
        for (int b = 0; b < B; ++b) {
            const RowsAtOnce own = *reinterpret_cast<const RowsAnywhere*>(weights + (b * terms + k) * ROWS);
            for (int t = 0; t < T; ++t) sum[b][t] += own * x[k * T + t];
        }
    for (int b = 0; b < B; ++b)
        for (int t = 0; t < T; ++t)
            for (int r = 0; r < ROWS; ++r) sums[(b * ROWS + r) * apart + t] = sum[b][t][r];
}

template <int T>
static void few_products(const float* places, int64 terms, const float* weights, int64 blocks, float* sums, int64 apart, float* x)
{
    constexpr int B = 8 / T;
    for (int64 k = 0; k < terms; ++k)
        for (int t = 0; t < T; ++t) x[k * T + t] = places[k * apart + t];
    int64 block = 0;
    for (; block + B <= blocks; block += B)
        few_products_of<T, B>(x, terms, weights + block * terms * ROWS, sums + block * ROWS * apart, apart);
    for (; block < blocks; ++block)
        few_products_of<T, 1>(x, terms, weights + block * terms * ROWS, sums + block * ROWS * apart, apart);
}

constexpr int64 FEW_TILES = 4;

// All tiles at one place. `x`: room for as many as `FEW_TILES` of all terms.
INLINE void all_products(
    const float* places, int64 tiles, int64 terms, const float* weights, int64 blocks, float* sums, int64 apart, float* x)
{
    const int64 left = tiles % LANES, whole = tiles - left;
    const bool few = whole > 0 && left > 0 && left <= FEW_TILES;
    in_tiles(few ? whole / LANES : up(tiles, LANES), [&](auto width, int64 first) {
        products(width, places + first * LANES, terms, weights, blocks, sums + first * LANES, apart);
    });
    if (!few) return;
    const auto rest = left == 1 ? few_products<1> : left == 2 ? few_products<2> : left == 3 ? few_products<3> : few_products<4>;
    rest(places + whole, terms, weights, blocks, sums + whole, apart, x);
}

// Sums so small that they may be nothing but rounding are computed anew, directly: excitation backprop divides by them, and asks which
// are exactly 0. As addresses in this order they come from Python.
struct Guard {
    const float* weights;  // (groups, outputs, channels, kernel, kernel)
    const float* sums;     // of each output's absolute weights: (groups, outputs)
};

constexpr float SMALL = 1e-4f;  // of what a sum could be at most; Winograd's way is some 1e-6 of that off

// The rows of pixels that some rows of tiles see.
template <int OUT, int SEEN>
INLINE Range seen_by(const Planes& p, const Section& section)
{
    const int64 first = p.top + section.first * OUT;
    return {std::max<int64>(0, first), std::min(p.height, first + (section.rows - 1) * OUT + SEEN)};
}

// max |pixel| of these rows, of all channels of a group.
static float greatest(const float* image, const Planes& p, const Range& seen)
{
    float most = 0;
    for (int64 c = 0; c < p.channels; ++c) {
        const float* plane = image + c * p.height * p.width;
#pragma omp simd reduction(max : most)
        for (int64 i = seen.first * p.width; i < seen.end * p.width; ++i) most = std::max(most, std::abs(plane[i]));
    }
    return most;
}

static float direct_sum(const float* image, const Planes& p, const float* weights, int64 kernel, int64 top, int64 left)
{
    float sum = 0;
    const Range rows = inside(top, 1, p.height, kernel), columns = inside(left, 1, p.width, kernel);
    for (int64 c = 0; c < p.channels; ++c, weights += kernel * kernel, image += p.height * p.width)
        for (int64 y = rows.first; y < rows.end; ++y)
            for (int64 x = columns.first; x < columns.end; ++x) sum += weights[kernel * y + x] * image[(top + y) * p.width + left + x];
    return sum;
}

// Some rows of one output's pixels, none of which sees a pixel greater than `most`.
static void settle(
    const Guard& guard, const float* image, const Planes& p, int64 kernel, int64 output, Range rows, float most, int64 width, float* plane)
{
    const float small = SMALL * most * guard.sums[output];
    const float* weights = guard.weights + output * p.channels * kernel * kernel;
    for (int64 y = rows.first; y < rows.end && small > 0; ++y) {
        float* row = plane + y * width;
        int64 found = 0;
        for (int64 x = 0; x < width; ++x) found += std::abs(row[x]) <= small;
        for (int64 x = 0; x < width && found; ++x)
            if (std::abs(row[x]) <= small) row[x] = direct_sum(image, p, weights, kernel, p.top + y, p.left + x), --found;
    }
}

constexpr int64 TOGETHER = 120;  // about so many tiles share one reading of the weights

// `weights`: G g G^T, (groups, places, blocks, channels, ROWS). A row of planes has a number for each tile; the grid is of pixels.
template <int OUT, int KERNEL>
static void winograd(
    const float* source, const Planes& p, const float* weights, const float* bias, bool rectified, const Result& to, const Finish* last,
    const Guard* guard, const Batch& batch, float* result)
{
    constexpr int SEEN = OUT + KERNEL - 1, PLACES = SEEN * SEEN;
    const int64 images = batch.images, groups = batch.groups;
    if (images == 0) return;
    const int64 tile_rows = up(to.rows, OUT), per_row = p.pitch, blocks = up(to.channels, ROWS);
    const int64 rows = std::min(tile_rows, std::max<int64>(1, TOGETHER / per_row)), strips = up(tile_rows, rows);
    const int64 even = up(tile_rows, strips), tiles = even * per_row;  // of a section
    const int64 threads = omp_get_max_threads(), sections = images * strips;
    const int64 fitting = std::max<int64>(1, TOGETHER / tiles), together = std::min(fitting, std::max<int64>(1, sections / threads));
    const int64 parts = up(sections, together), some = share(blocks, up(threads, parts * groups), 1), chunks = up(blocks, some);

    const int64 width = up(together * tiles, LANES) * LANES + LANES,  // and distances that are no multiple of a page
                size = plane_size(p, even) + LANES;
    const int64 apart = p.channels * width + LANES, sums_apart = some * ROWS * width + LANES;

#pragma omp parallel for schedule(dynamic, 1)
    for (int64 number = 0; number < parts * groups * chunks; ++number) {
        const Normals only;
        const int64 chunk = number % chunks, group = number / chunks % groups, part = number / (chunks * groups);
        const int64 block = chunk * some, here = std::min(some, blocks - block), all = std::min(together, sections - part * together);
        const int64 pixels_room = OUT * laid_room<OUT>(p.pitch, even + p.reach), planes_room = up(OUT * SEEN * size + p.pitch + LANES, LANES) * LANES;
        float* laid = scratch(pixels_room + planes_room + PLACES * (apart + sums_apart) + FEW_TILES * p.channels);
        float *planes = laid + pixels_room, *places = planes + planes_room, *sums = places + PLACES * apart, *few = sums + PLACES * sums_apart;

        const auto section_of = [&](int64 i) {
            const int64 one = part * together + i, first = one % strips * even;
            return Section{one / strips, first, std::min(even, tile_rows - first)};
        };
        const auto image_of = [&](const Section& section) { return source + section.image * batch.from + group * numbers(p); };
        std::vector<float> most;  // of each section
        for (int64 i = 0; i < all; ++i) {
            const Section section = section_of(i);
            const float* image = image_of(section);
            const Range seen = seen_by<OUT, SEEN>(p, section);
            if (guard) most.push_back(greatest(image, p, seen));
            for (int64 c = 0; c < p.channels; ++c) {
                const float* plane = image + c * p.height * p.width;
                fetch<0>(plane + (p.height + seen.first) * p.width, (seen.end - seen.first) * p.width);  // of the next channel
                lay_tiles<OUT, SEEN>(plane, p, section.first, section.rows, size, laid, planes);
                transform_channel<OUT, SEEN>(planes, size, p.pitch, section.rows * per_row, places + c * width + i * tiles, apart);
            }
        }
        for (int64 place = 0; place < PLACES; ++place) {
            const float* own = weights + ((group * PLACES + place) * blocks + block) * p.channels * ROWS;
            all_products(places + place * apart, all * tiles, p.channels, own, here, sums + place * sums_apart, width, few);
        }
        float* phases = places;  // no longer needed
        const int64 phase_size = up(tiles, LANES) * LANES + LANES;
        for (int64 o = 0; o < std::min(here * ROWS, to.channels - block * ROWS); ++o)
            for (int64 i = 0; i < all; ++i) {
                const Section section = section_of(i);
                const int64 channel = group * to.channels + block * ROWS + o, pixels = to.height * to.width;
                const int64 top = section.first * OUT, rows = std::min(section.rows * OUT, to.height - top);
                const int64 there = channel * pixels + top * to.width;
                float* plane = result + section.image * batch.to + channel * pixels;
                fetch_for(last, section.image, batch.to, there + pixels, rows * to.width, result);  // of the next channel
                transform_back<OUT, SEEN>(sums + o * width + i * tiles, sums_apart, section.rows * per_row, phases, phase_size);
                const auto put = rectified ? put_section<OUT, true> : put_section<OUT, false>;
                put(phases, phase_size, p.pitch, section, bias ? bias[group * blocks * ROWS + block * ROWS + o] : 0.0f, to, laid, plane);
                if (guard) settle(*guard, image_of(section), p, KERNEL, channel, {top, top + rows}, most[i], to.width, plane);
                finish(last, section.image, batch.to, there, rows * to.width, result);
            }
    }
}

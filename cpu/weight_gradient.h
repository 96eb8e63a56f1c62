// The gradient of the filters: sums over images and positions of a signal times the planes that its output was made of.
//
//     gradient[term][o] = sum over images and positions q of planes[plane(term)][q + shift(term)] * signal[o][q]
//
// The signal is laid with its channels side by side, since a register holds neighbouring numbers of a sum: ROWS terms by V
// vectors of output channels. Columns at which a window wraps around are left out: 0 times what lies there may be NaN.

template <int V>
INLINE void outer(
    Width<V>, const float* planes, const int64* offset, int64 pitch, const float* signal, int64 channels, int64 rows, int64 columns, float* gradient)
{
    Lanes sum[ROWS][V];
    for (int r = 0; r < ROWS; ++r)
        for (int v = 0; v < V; ++v) sum[r][v] = load(gradient + r * channels + v * LANES);
    for (int64 row = 0; row < rows; ++row, planes += pitch)
        for (int64 column = 0; column < columns; ++column, signal += channels) {
            Lanes s[V];
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) s[v] = load(signal + v * LANES);
#pragma GCC unroll 8
            for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) sum[r][v] += planes[offset[r] + column] * s[v];
        }
    for (int r = 0; r < ROWS; ++r)
        for (int v = 0; v < V; ++v) store(gradient + r * channels + v * LANES, sum[r][v]);
}

// (to.channels, rows, columns) from the row `first` on -> (rows, columns, channels), zeros where there is no channel.
static void lay_signal(const float* signal, const Result& to, int64 first, int64 rows, int64 channels, float* laid)
{
    std::memset(laid, 0, rows * to.columns * channels * sizeof(float));
    for (int64 o = 0; o < to.channels; ++o)
        for (int64 row = 0; row < rows; ++row) {
            const float* from = signal + (o * to.rows + first + row) * to.columns;
            float* there = laid + row * to.columns * channels + o;
            for (int64 column = 0; column < to.columns; ++column) there[column * channels] = from[column];
        }
}

// gradient (shares, groups, terms, channels): each share is the sum over some images, and terms and channels are filled up to
// multiples of ROWS and LANES. How images are shared does not hang on the number of threads, and so neither do the sums.
static void correlate_weights(
    const float* source, const Planes& p, const Filters& f, const float* signal, const Result& to, const Batch& batch, int64 shares,
    float* gradient)
{
    const int64 images = batch.images, groups = batch.groups;
    const int64 channels = up(to.channels, LANES) * LANES, terms = up(f.terms, ROWS) * ROWS;
    const int64 near = std::max<int64>(1, NEAR / ((count(p) + channels) * p.pitch) - p.reach), rows = share(to.rows, up(to.rows, near), 1);
    const int64 size = plane_size(p, rows);
    std::vector<int64> offset(terms);
    for (int64 k = 0; k < terms; ++k) offset[k] = f.plane[std::min(k, f.terms - 1)] * size + f.shift[std::min(k, f.terms - 1)];

#pragma omp parallel for schedule(dynamic, 1)
    for (int64 number = 0; number < shares * groups; ++number) {
        const Normals only;
        const int64 one = number / groups, group = number % groups;
        float *planes = scratch(room(p, rows) + rows * to.columns * channels), *laid = planes + room(p, rows);
        float* sums = gradient + number * terms * channels;
        std::memset(sums, 0, terms * channels * sizeof(float));
        for (int64 image = images * one / shares; image < images * (one + 1) / shares; ++image)
            for (int64 first = 0; first < to.rows; first += rows) {
                const int64 here = std::min(rows, to.rows - first);
                const float* from = source + image * batch.from + group * numbers(p);
                lay(from, from + numbers(p), p, first, here, size, planes);
                lay_signal(signal + image * batch.to + group * to.channels * to.rows * to.columns, to, first, here, channels, laid);
                for (int64 k = 0; k < terms; k += ROWS)
                    in_tiles(channels / LANES, [&](auto width, int64 first) {
                        const int64 o = first * LANES;
                        outer(width, planes, &offset[k], p.pitch, laid + o, channels, here, to.columns, sums + k * channels + o);
                    });
            }
    }
}

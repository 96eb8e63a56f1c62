// Fully connected layers, for a few images at a time: each weight is read once, in the order in which it lies in memory, and
// also as max(w, 0), so that excitation backprop needs no second copy of the largest arrays that nets have, nor a second reading.
//
//     forward      y[n][o] = bias[o] + sum_k w[o][k] x[n][k],     z[n][o] = sum_k max(w[o][k], 0) x[n][k]
//     transposed   x[n][k] = sum_o w[o][k] y[n][o]

constexpr int IMAGES = ROWS, OUTPUTS = VECTORS;  // of a tile of dot products
constexpr int64 COLUMNS = 6272;                  // of the transposed product: they stay next to the core while rows go by,
constexpr int AT_ONCE = 4;                       // so many at a time
constexpr int64 SOON = 512;                      // weights are fetched so many before their turn

INLINE Lanes positive_part(Lanes w) { return w < 0 ? Lanes{} : w; }

template <bool positive>
INLINE Lanes weight(const float* from) { return positive ? positive_part(load(from)) : load(from); }

// The first `number` numbers, and zeros. (By load_row's masks it would be slower in the loop below, and other sums would be fused.)
INLINE Lanes load_some(const float* from, int64 number)
{
    if (number >= LANES) return load(from);
    Lanes lanes{};
    std::memcpy(&lanes, from, number * sizeof(float));
    return lanes;
}

INLINE float total(Lanes lanes)
{
    float sum = 0;
    for (int i = 0; i < LANES; ++i) sum += lanes[i];
    return sum;
}

enum Which { AS_THEY_ARE, POSITIVE, BOTH };  // weights: as they are, for y; max(w, 0), for z; or each once for both

struct Outputs {
    float *y, *z;
};

// Images or sums, `apart` from one to the next: not by a multiple of a page, at which a processor takes one for the other, and has no
// place for all of them in its nearest cache.
INLINE int64 well_apart(int64 numbers) { return up(numbers, LANES) * LANES + LANES; }

template <Which which, int N, int O>
INLINE void dot_products(
    const float* x, int64 apart, const float* weights, const float* bias, int64 features, int64 outputs, const Outputs& to, int64 at)
{
    Lanes sum[N][O] = {}, excited[N][O] = {};
    const int64 next = (O - 1) * features;  // from a row's end to the row that follows in the next tile
    const auto add = [&](int64 k, const auto& load_here) {
        Lanes w[O], positive[O];
        const int64 ahead = k + SOON < features ? SOON : SOON + next;
        for (int o = 0; o < O; ++o) {
            const float* from = weights + o * features + k;
            __builtin_prefetch(from + ahead);
            w[o] = load_here(from), positive[o] = positive_part(w[o]);
        }
        for (int n = 0; n < N; ++n) {
            const Lanes value = load_here(x + n * apart + k);
            for (int o = 0; o < O; ++o) {
                if (which != POSITIVE) sum[n][o] += value * w[o];
                if (which != AS_THEY_ARE) excited[n][o] += value * positive[o];
            }
        }
    };
    const int64 whole = features / LANES * LANES;
    for (int64 k = 0; k < whole; k += LANES) add(k, [](const float* from) { return load(from); });
    if (whole < features) add(whole, [&](const float* from) { return load_some(from, features - whole); });
    for (int n = 0; n < N; ++n)
        for (int o = 0; o < O; ++o) {
            const int64 place = at + n * outputs + o;
            if (which != POSITIVE) to.y[place] = bias ? total(sum[n][o]) + bias[o] : total(sum[n][o]);
            if (which != AS_THEY_ARE) to.z[place] = total(excited[n][o]);
        }
}

template <Which which, int O>
INLINE void dot_products_of(
    const float* x, int64 apart, const float* weights, const float* bias, int64 images, int64 features, int64 outputs, const Outputs& to,
    int64 at)
{
    constexpr int MOST = which == BOTH ? IMAGES / 2 : IMAGES;  // two sums each
    const auto of_some = [&](auto some, int64 n) {
        dot_products<which, decltype(some)::value, O>(x + n * apart, apart, weights, bias, features, outputs, to, at + n * outputs);
    };
    int64 n = 0;
    for (; n + MOST <= images; n += MOST) of_some(Rows<MOST>(), n);
    for (; n + 2 <= images; n += 2) of_some(Rows<2>(), n);
    for (; n < images; ++n) of_some(Rows<1>(), n);
}

template <Which which>
static void inner_product(const float* x, const float* weights, const float* bias, int64 images, int64 features, int64 outputs, const Outputs& to)
{
    const int64 apart = well_apart(features);
    float* laid = scratch(images * apart);
    for (int64 n = 0; n < images; ++n) std::memcpy(laid + n * apart, x + n * features, features * sizeof(float));
    const auto of_rows = [&](auto some, int64 first) {
        const float* own = bias ? bias + first : nullptr;
        dot_products_of<which, decltype(some)::value>(
            laid, apart, weights + first * features, own, images, features, outputs, to, first);
    };
#pragma omp parallel for schedule(static)
    for (int64 o = 0; o < outputs / OUTPUTS; ++o) {
        const Normals only;
        of_rows(Rows<OUTPUTS>(), o * OUTPUTS);
    }
    const Normals only;
    for (int64 o = outputs / OUTPUTS * OUTPUTS; o < outputs; ++o) of_rows(Rows<1>(), o);
}

// Some rows of weights, times the signals that arrive there, added to as many numbers of all images, `apart` from each other. `next`:
// the rows that follow.
template <bool positive, int O>
INLINE void add_rows(
    const float* weights, const int64* rows, const int64* next, const float* signal, int64 images, int64 features, int64 outputs,
    int64 columns, float* x, int64 apart)
{
    const int64 whole = columns / LANES * LANES;
    for (int64 k = 0; k < whole; k += LANES) {
        Lanes w[O];
        for (int o = 0; o < O; ++o) {
            const float* from = weights + rows[o] * features + k;
            __builtin_prefetch(k + SOON < columns ? from + SOON : weights + next[o] * features + k + SOON - columns);
            w[o] = weight<positive>(from);
        }
        for (int64 n = 0; n < images; ++n) {
            Lanes sum = load(x + n * apart + k);
            for (int o = 0; o < O; ++o) sum += signal[n * outputs + rows[o]] * w[o];
            store(x + n * apart + k, sum);
        }
    }
    for (int64 k = whole; k < columns; ++k)
        for (int64 n = 0; n < images; ++n)
            for (int o = 0; o < O; ++o) {
                const float w = weights[rows[o] * features + k];
                x[n * apart + k] += signal[n * outputs + rows[o]] * (positive && w < 0 ? 0 : w);
            }
}

// Rows at which no signal arrives are not read: a target's class is one of a thousand.
template <bool positive>
static void inner_product_transposed(const float* signal, const float* weights, int64 images, int64 features, int64 outputs, float* x)
{
    const int64 chunk = share(features, std::max<int64>(up(features, COLUMNS), omp_get_max_threads()), LANES);
    std::vector<int64> rows;  // where signals arrive
    for (int64 o = 0; o < outputs; ++o)
        for (int64 n = 0; n < images; ++n)
            if (signal[n * outputs + o] != 0) {
                rows.push_back(o);
                break;
            }
#pragma omp parallel for schedule(static)
    for (int64 first = 0; first < features; first += chunk) {
        const Normals only;
        const int64 columns = std::min(chunk, features - first), apart = well_apart(columns);
        float* sums = scratch(images * apart);
        std::memset(sums, 0, images * apart * sizeof(float));
        const int64 number = rows.size(), whole = number / AT_ONCE * AT_ONCE;
        const auto add = [&](auto some, int64 i) {
            constexpr int O = decltype(some)::value;
            const int64* next = &rows[i + 2 * O <= number ? i + O : i];
            add_rows<positive, O>(weights + first, &rows[i], next, signal, images, features, outputs, columns, sums, apart);
        };
        for (int64 i = 0; i < whole; i += AT_ONCE) add(Rows<AT_ONCE>(), i);
        for (int64 i = whole; i < number; ++i) add(Rows<1>(), i);
        for (int64 n = 0; n < images; ++n) std::memcpy(x + n * features + first, sums + n * apart, columns * sizeof(float));
    }
}

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

template <Which which, int N, int O>
INLINE void dot_products(const float* x, const float* weights, const float* bias, int64 features, int64 outputs, const Outputs& to, int64 at)
{
    Lanes sum[N][O] = {}, excited[N][O] = {};
    for (int64 k = 0; k < features; k += LANES) {
        Lanes w[O], positive[O];
        for (int o = 0; o < O; ++o) {
            const float* from = weights + o * features + k;
            __builtin_prefetch(from + SOON);
            w[o] = load_some(from, features - k), positive[o] = positive_part(w[o]);
        }
        for (int n = 0; n < N; ++n) {
            const Lanes value = load_some(x + n * features + k, features - k);
            for (int o = 0; o < O; ++o) {
                if (which != POSITIVE) sum[n][o] += value * w[o];
                if (which != AS_THEY_ARE) excited[n][o] += value * positive[o];
            }
        }
    }
    for (int n = 0; n < N; ++n)
        for (int o = 0; o < O; ++o) {
            const int64 place = at + n * outputs + o;
            if (which != POSITIVE) to.y[place] = bias ? total(sum[n][o]) + bias[o] : total(sum[n][o]);
            if (which != AS_THEY_ARE) to.z[place] = total(excited[n][o]);
        }
}

template <Which which, int O>
INLINE void dot_products_of(
    const float* x, const float* weights, const float* bias, int64 images, int64 features, int64 outputs, const Outputs& to, int64 at)
{
    constexpr int MOST = which == BOTH ? IMAGES / 2 : IMAGES;  // two sums each
    const auto of_some = [&](auto some, int64 n) {
        dot_products<which, decltype(some)::value, O>(x + n * features, weights, bias, features, outputs, to, at + n * outputs);
    };
    int64 n = 0;
    for (; n + MOST <= images; n += MOST) of_some(Rows<MOST>(), n);
    for (; n + 2 <= images; n += 2) of_some(Rows<2>(), n);
    for (; n < images; ++n) of_some(Rows<1>(), n);
}

template <Which which>
static void inner_product(const float* x, const float* weights, const float* bias, int64 images, int64 features, int64 outputs, const Outputs& to)
{
#pragma omp parallel for schedule(static)
    for (int64 o = 0; o < outputs / OUTPUTS; ++o) {
        const Normals only;
        const int64 first = o * OUTPUTS;
        dot_products_of<which, OUTPUTS>(x, weights + first * features, bias ? bias + first : nullptr, images, features, outputs, to, first);
    }
    const Normals only;
    for (int64 o = outputs / OUTPUTS * OUTPUTS; o < outputs; ++o)
        dot_products_of<which, 1>(x, weights + o * features, bias ? bias + o : nullptr, images, features, outputs, to, o);
}

// Some rows of weights, times the signals that arrive there, added to as many numbers of all images.
template <bool positive, int O>
INLINE void add_rows(
    const float* weights, const int64* rows, const float* signal, int64 images, int64 features, int64 outputs, int64 columns, float* x)
{
    const int64 whole = columns / LANES * LANES;
    for (int64 k = 0; k < whole; k += LANES) {
        Lanes w[O];
        for (int o = 0; o < O; ++o) {
            const float* from = weights + rows[o] * features + k;
            __builtin_prefetch(from + SOON);
            w[o] = weight<positive>(from);
        }
        for (int64 n = 0; n < images; ++n) {
            Lanes sum = load(x + n * features + k);
            for (int o = 0; o < O; ++o) sum += signal[n * outputs + rows[o]] * w[o];
            store(x + n * features + k, sum);
        }
    }
    for (int64 k = whole; k < columns; ++k)
        for (int64 n = 0; n < images; ++n)
            for (int o = 0; o < O; ++o) {
                const float w = weights[rows[o] * features + k];
                x[n * features + k] += signal[n * outputs + rows[o]] * (positive && w < 0 ? 0 : w);
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
        const int64 columns = std::min(chunk, features - first);
        for (int64 n = 0; n < images; ++n) std::memset(x + n * features + first, 0, columns * sizeof(float));
        const int64 number = rows.size(), whole = number / AT_ONCE * AT_ONCE;
        for (int64 i = 0; i < whole; i += AT_ONCE)
            add_rows<positive, AT_ONCE>(weights + first, &rows[i], signal, images, features, outputs, columns, x + first);
        for (int64 i = whole; i < number; ++i)
            add_rows<positive, 1>(weights + first, &rows[i], signal, images, features, outputs, columns, x + first);
    }
}

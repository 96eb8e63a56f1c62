// The one inner loop: a tile of outputs, R output channels by V vectors of neighbouring positions, stays in registers while
// the terms of the sum go by.
//
//     sum[r][q] = sum over terms k of weights[k][r] * source[offset[k] + q]
//
// What a term is, the caller says through the offsets: an input channel (1 x 1 convolution, Winograd's products, a fully
// connected layer), or an input channel and a cell of the kernel (direct convolution), since on a padded plane a cell of the
// kernel is nothing but a shift.

constexpr int64 AHEAD = 2048;  // numbers: by so much weights are fetched before their turn, which often come from far

// Of each term: its offset, and its row of the weights, where `next` is the one behind the last one's.
struct Shifted {  // any offsets
    const int64* offset;
    int64 operator[](int64 k) const { return offset[k]; }
    const float* row(const float* next, int64) const { return next; }
};

struct Evenly {  // offsets that are all the same distance apart
    int64 apart;
    int64 operator[](int64 k) const { return k * apart; }
    const float* row(const float* next, int64) const { return next; }
};

struct Chosen {  // only some of these
    const int* number;
    int64 apart;
    int64 operator[](int64 k) const { return number[k] * apart; }
    const float* row(const float* next, int64 k) const { return next + (number[k] - k) * ROWS; }
};

struct Ahead {  // what is fetched meanwhile: a place for each term
    const float* from;
    int64 apart;
};

// Adds terms to sums, which the caller keeps in an array of its own: there the compiler sees that they are registers. `offset`: of the
// terms.
template <int V, int R, typename Offsets>
INLINE void add_terms(
    const float* source, const Offsets& offset, int64 terms, const float* weights, Lanes (&part)[R][V], const Ahead ahead = {nullptr, 0})
{
    for (int64 k = 0; k < terms; ++k, weights += ROWS) {
        const float *at = source + offset[k], *own = offset.row(weights, k);
        __builtin_prefetch(own + AHEAD);
        if (ahead.from) __builtin_prefetch(ahead.from + k * ahead.apart, 0, 2);
        Lanes x[V];
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) x[v] = load(at + v * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) part[r][v] += own[r] * x[v];
    }
}

template <int V, int R, typename Offsets>
INLINE void tile(
    const float* source, const Offsets& offset, int64 terms, const float* weights, Lanes (&sum)[R][V], const Ahead ahead = {nullptr, 0})
{
    Lanes part[R][V] = {};
    add_terms(source, offset, terms, weights, part, ahead);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) sum[r][v] = part[r][v];
}

// How many vectors a tile has, for the compiler.
template <int V>
struct Width {
    static constexpr int vectors = V;
};

// work(Width<V>, first) for tiles that cover this many vectors; V is 3, or less at the end, and never 1 where 2 and 2 will do.
template <typename Work>
INLINE void in_tiles(int64 vectors, const Work& work)
{
    for (int64 first = 0; first < vectors;) {
        const int64 left = vectors - first;
        if (left >= 5 || left == 3) work(Width<3>{}, first), first += 3;
        else if (left >= 2) work(Width<2>{}, first), first += 2;
        else work(Width<1>{}, first), first += 1;
    }
}

template <int R>
using Rows = std::integral_constant<int, R>;

constexpr int FEW = ROWS / 2;       // channels that a tile of half the rows can hold: it may be twice as wide
constexpr int COLOURS = 3;          // channels of an image, whose tiles have rows for no more,
constexpr int COLOURED = ROWS - 1;  // and so many vectors: with the pixels that their sums are made of they fill the registers

template <int MOST, typename Work>
INLINE void of_width(int64 wide, const Work& work)
{
    if (wide == MOST) return work(Width<MOST>{});
    if constexpr (MOST > 1) of_width<MOST - 1>(wide, work);
}

// The same for tiles of MOST vectors, or `most`, and as even as may be.
template <int MOST, typename Work>
INLINE void in_even_tiles(int64 vectors, int64 most, const Work& work)
{
    for (int64 first = 0, wide; first < vectors; first += wide) {
        const int64 left = vectors - first;
        wide = up(left, up(left, std::min<int64>(most, MOST)));
        of_width<MOST>(wide, [&](auto width) { work(width, first); });
    }
}

INLINE Lanes with_bias(Lanes sum, float bias, bool rectified)
{
    const Lanes value = sum + bias;
    return rectified ? (value < 0 ? Lanes{} : value) : value;
}

// One row of a tile: sums, plus a bias, to where they belong.
template <int V>
INLINE void put(const Lanes (&sum)[V], float bias, bool rectified, float* to)
{
    for (int v = 0; v < V; ++v) store(to + v * LANES, with_bias(sum[v], bias, rectified));
}

constexpr int64 NEAR = 160 << 10;     // this many numbers stay in the cache next to a core: what a piece of work reads,
constexpr int64 WEIGHTS = 128 << 10;  // and weights that all its positions use in turn

// How many of `whole` to take at a time for at least this many parts of about the same size, in multiples of `step`.
INLINE int64 share(int64 whole, int64 parts, int64 step) { return std::max<int64>(step, up(up(whole, parts), step) * step); }

// What the busiest of some threads has to do that take parts of `whole`, so many at a time, one after the other.
INLINE int64 longest(int64 whole, int64 some, int64 threads)
{
    const int64 before = up(whole, some) - 1, turns = before / threads;
    return before % threads ? (turns + 1) * some : turns * some + whole - before * some;
}

// Like `share`, or somewhat less at a time if then the threads end more nearly together.
INLINE int64 evenly(int64 whole, int64 parts, int64 step, int64 threads)
{
    const int64 most = share(whole, parts, step);
    int64 best = most;
    for (int64 some = most - step; 2 * some >= most; some -= step)
        if (longest(whole, some, threads) < longest(whole, best, threads)) best = some;
    return best;
}

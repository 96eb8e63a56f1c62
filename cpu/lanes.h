// A register's worth of neighbouring numbers, in the compiler's own vector types: the arithmetic below is written once, and
// compiled for each kind of processor. LANES, ROWS and VECTORS come from there.

typedef float Lanes __attribute__((vector_size(LANES * 4)));
typedef float LanesAnywhere __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE Lanes load(const float* from) { return *reinterpret_cast<const LanesAnywhere*>(from); }
INLINE void store(float* to, Lanes lanes) { *reinterpret_cast<LanesAnywhere*>(to) = lanes; }

// Some numbers fetched before their turn: to be read, or to be written.
template <int written, typename Number>
INLINE void fetch(const Number* numbers, int64 size)
{
    for (int64 i = 0; i < size; i += 64 / int64(sizeof(Number))) __builtin_prefetch(numbers + i, written);
}

// A product as it is rounded, though a sum follows: what is added here in registers is the same to the last bit as what is stored first.
INLINE Lanes rounded(Lanes product)
{
#if LANES == 16
    asm("" : "+v"(product));
#elif defined(__SSE__)
    asm("" : "+x"(product));
#else
    asm("" : "+m"(product));
#endif
    return product;
}

// Whether all numbers of some registers are 0.
template <int V>
INLINE bool all_zero(const float* from)
{
    typedef long long Words __attribute__((vector_size(LANES * 4)));
    Words bits{};
    for (int v = 0; v < V; ++v) bits |= reinterpret_cast<Words>(load(from + v * LANES));
    long long word = 0;
    for (int i = 0; i < LANES / 2; ++i) word |= bits[i];
    return (word & 0x7fffffff7fffffff) == 0;  // -0 is 0
}

// A bit for each number that is not 0.
INLINE unsigned nonzero(Lanes numbers)
{
#if LANES == 16
    unsigned bits = _mm512_cmp_ps_mask(reinterpret_cast<__m512>(numbers), _mm512_setzero_ps(), _CMP_NEQ_UQ);
    asm("" : "+r"(bits));  // GCC 12 may put aside 16 bits of it, and read 32
    return bits;
#elif LANES == 8
    return _mm256_movemask_ps(_mm256_cmp_ps(reinterpret_cast<__m256>(numbers), _mm256_setzero_ps(), _CMP_NEQ_UQ));
#else
    unsigned bits = 0;
    for (int i = 0; i < LANES; ++i) bits |= unsigned(numbers[i] != 0) << i;
    return bits;
#endif
}

// The places of a register's bits that are set, counted from `first` on; as much as a register may be written. Returns how many there are.
INLINE int put_numbers(unsigned bits, int first, int* to)
{
#if LANES == 16
    const __m512i all = _mm512_add_epi32(_mm512_set1_epi32(first), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(static_cast<__mmask16>(bits), all));
#else
    for (unsigned left = bits; left; left &= left - 1) *to++ = first + __builtin_ctz(left);
#endif
    return __builtin_popcount(bits);
}

// The numbers themselves, likewise.
INLINE void put_chosen(unsigned bits, Lanes numbers, float* to)
{
#if LANES == 16
    _mm512_storeu_ps(to, _mm512_maskz_compress_ps(static_cast<__mmask16>(bits), reinterpret_cast<__m512>(numbers)));
#else
    for (unsigned left = bits; left; left &= left - 1) *to++ = numbers[__builtin_ctz(left)];
#endif
}

// Every second number of two registers, from the first (0) or the second (1) on.
template <int from, int... I>
INLINE Lanes every_second(Lanes a, Lanes b, std::integer_sequence<int, I...>)
{
#ifdef __clang__
    return __builtin_shufflevector(a, b, (2 * I + from)...);
#else
    typedef int Order __attribute__((vector_size(LANES * 4)));
    return __builtin_shuffle(a, b, Order{(2 * I + from)...});
#endif
}

template <int from>
INLINE Lanes every_second(Lanes a, Lanes b) { return every_second<from>(a, b, std::make_integer_sequence<int, LANES>{}); }

// The numbers 0, 2, 4, ... from a place on, then 1, 3, 5, ...
INLINE void in_phases(const float* from, Lanes (&to)[2])
{
    const Lanes a = load(from), b = load(from + LANES);
    to[0] = every_second<0>(a, b), to[1] = every_second<1>(a, b);
}

// The numbers 0, 4, 8, ..., then 1, 5, 9, ..., and so on.
INLINE void in_phases(const float* from, Lanes (&to)[4])
{
    const Lanes a = load(from), b = load(from + LANES), c = load(from + 2 * LANES), d = load(from + 3 * LANES);
    const Lanes even = every_second<0>(a, b), odd = every_second<1>(a, b), more_even = every_second<0>(c, d), more_odd = every_second<1>(c, d);
    to[0] = every_second<0>(even, more_even), to[2] = every_second<1>(even, more_even);
    to[1] = every_second<0>(odd, more_odd), to[3] = every_second<1>(odd, more_odd);
}

// One number of each of two registers in turn, from their first halves (0) or their second (1).
template <int half, int... I>
INLINE Lanes in_turn(Lanes a, Lanes b, std::integer_sequence<int, I...>)
{
#ifdef __clang__
    return __builtin_shufflevector(a, b, (I / 2 + half * LANES / 2 + I % 2 * LANES)...);
#else
    typedef int Order __attribute__((vector_size(LANES * 4)));
    return __builtin_shuffle(a, b, Order{(I / 2 + half * LANES / 2 + I % 2 * LANES)...});
#endif
}

template <int half>
INLINE Lanes in_turn(Lanes a, Lanes b) { return in_turn<half>(a, b, std::make_integer_sequence<int, LANES>{}); }

// The reverse: `from` and one or three more, `apart`, taken one number of each in turn.
INLINE void interleaved(const float* from, int64 apart, Lanes (&to)[2])
{
    const Lanes a = load(from), b = load(from + apart);
    to[0] = in_turn<0>(a, b), to[1] = in_turn<1>(a, b);
}

INLINE void interleaved(const float* from, int64 apart, Lanes (&to)[4])
{
    const Lanes a = load(from), b = load(from + apart), c = load(from + 2 * apart), d = load(from + 3 * apart);
    const Lanes ac = in_turn<0>(a, c), bd = in_turn<0>(b, d), more_ac = in_turn<1>(a, c), more_bd = in_turn<1>(b, d);
    to[0] = in_turn<0>(ac, bd), to[1] = in_turn<1>(ac, bd);
    to[2] = in_turn<0>(more_ac, more_bd), to[3] = in_turn<1>(more_ac, more_bd);
}

// What there is of a row of which `room` numbers are left, and `instead` in the place of the others.
INLINE Lanes load_row(const float* from, int64 room, float instead)
{
    if (room >= LANES) return load(from);
    Lanes lanes = Lanes{} + instead;
#if LANES == 16
    const __mmask16 there = room > 0 ? (1u << room) - 1 : 0;
    return reinterpret_cast<Lanes>(_mm512_mask_loadu_ps(reinterpret_cast<__m512>(lanes), there, from));
#else
    if (room > 0) std::memcpy(&lanes, from, room * sizeof(float));
    return lanes;
#endif
}

// The same from the number `first` of a row of `size` on, of which some may lie in front.
INLINE Lanes load_within(const float* row, int64 first, int64 size, float instead)
{
    if (first >= 0) return load_row(row + first, size - first, instead);
    Lanes lanes = Lanes{} + instead;
    const int64 end = std::min<int64>(LANES, size - first);
#if LANES == 16
    const unsigned there = first > -LANES && end > 0 ? ((1u << end) - 1) & (~0u << -first) : 0;
    return reinterpret_cast<Lanes>(_mm512_mask_loadu_ps(reinterpret_cast<__m512>(lanes), static_cast<__mmask16>(there), row + first));
#else
    for (int64 i = -first; i < end; ++i) lanes[i] = row[first + i];
    return lanes;
#endif
}

// As much of a register as there is room for, in a row or a plane.
INLINE void put_part(const Lanes& from, int64 room, float* to)
{
    if (room >= LANES) return store(to, from);
    if (room <= 0) return;
#if LANES == 16
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << room) - 1), reinterpret_cast<__m512>(from));
#else
    std::memcpy(to, &from, room * sizeof(float));
#endif
}

template <typename Register, typename Number>
INLINE void put_part(const Register& from, int64 room, Number* to)
{
    if (room >= LANES) std::memcpy(to, &from, LANES * sizeof(Number));
    else std::memcpy(to, &from, room * sizeof(Number));
}

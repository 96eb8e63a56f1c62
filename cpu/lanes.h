// A register's worth of neighbouring numbers, in the compiler's own vector types: the arithmetic below is written once, and
// compiled for each kind of processor. LANES, ROWS and VECTORS come from there.

typedef float Lanes __attribute__((vector_size(LANES * 4)));
typedef float LanesAnywhere __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE Lanes load(const float* from) { return *reinterpret_cast<const LanesAnywhere*>(from); }
INLINE void store(float* to, Lanes lanes) { *reinterpret_cast<LanesAnywhere*>(to) = lanes; }

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

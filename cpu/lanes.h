// A register's worth of neighbouring numbers, in the compiler's own vector types: the arithmetic below is written once, and
// compiled for each kind of processor. LANES, ROWS and VECTORS come from there.

typedef float Lanes __attribute__((vector_size(LANES * 4)));
typedef float LanesAnywhere __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE Lanes load(const float* from) { return *reinterpret_cast<const LanesAnywhere*>(from); }
INLINE void store(float* to, Lanes lanes) { *reinterpret_cast<LanesAnywhere*>(to) = lanes; }

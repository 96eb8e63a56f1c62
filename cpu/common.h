// What all builds of the engine share, and what they offer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <omp.h>
#include <type_traits>
#include <utility>
#include <vector>
#ifdef __SSE__
#include <immintrin.h>
#endif

typedef long long int64;

struct Engine {
    int64 lanes, rows;  // the widths to which output channels are filled up: in gradients of weights, in weights
    void (*correlate)(
        const float* source, const int64* planes, const float* weights, const float* bias, int64 rectified, const int64* plane,
        const int64* shift, int64 terms, const int64* to, const int64* last, const int64* batch, float* result);
    void (*multiply)(const int64* sources, const int64* banks, const int64* products, const int64* last);
    void (*correlate_weights)(
        const float* source, const int64* planes, const int64* plane, const int64* shift, int64 terms, const float* signal, const int64* to,
        const int64* batch, int64 shares, float* gradient);
    void (*winograd)(
        const float* source, const int64* planes, const float* weights, const float* bias, int64 rectified, const int64* to,
        const int64* last, const int64* batch, float* result);
    void (*max_pool)(
        const float* source, const int64* planes, const int64* plane, const int64* shift, const int64* windows, int64 number, float* maxima,
        signed char* winners);
    void (*to_winners)(
        const float* signal, const signed char* winners, const int64* windows, int64 targets, int64 planes, const int64* last, float* pixels);
    void (*inner_product)(
        const float* x, const float* weights, const float* bias, int64 positive, int64 images, int64 features, int64 outputs, float* y);
    void (*inner_product_transposed)(
        const float* signal, const float* weights, int64 positive, int64 images, int64 features, int64 outputs, float* x);
};

// A struct of 64-bit integers, as Python gives it.
template <typename Struct>
const Struct& as(const int64* numbers) { return *reinterpret_cast<const Struct*>(numbers); }

// The same, or null where there is none.
template <typename Struct>
const Struct* given(const int64* numbers) { return reinterpret_cast<const Struct*>(numbers); }

// Aligned memory of the thread that asks, kept for its next piece of work: fresh memory costs more than arithmetic.
inline float* scratch(int64 numbers)
{
    static thread_local std::vector<float> kept;
    if (static_cast<int64>(kept.size()) < numbers + 16) kept.resize(numbers + 16);
    return kept.data() + (16 - reinterpret_cast<uintptr_t>(kept.data()) / sizeof(float) % 16) % 16;
}

// While one of these lives its thread takes numbers below 1.2e-38 for 0. Weights that nothing holds up decay to such numbers in
// training, and then every product with them costs a hundred times its time.
class Normals {
#ifdef __SSE__
public:
    Normals() : before(_mm_getcsr()) { _mm_setcsr(before | 0x8040); }  // flush to zero, denormals are zeros
    ~Normals() { _mm_setcsr(before); }
    Normals(const Normals&) = delete;

private:
    unsigned before;
#else
public:
    ~Normals() {}
#endif
};
